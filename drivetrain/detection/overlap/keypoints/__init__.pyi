from .oks import pair_oks as pair_oks
