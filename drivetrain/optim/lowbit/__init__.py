"""Adam in few bits: 8-bit states, bfloat16 with stochastic rounding, master copies."""
