"""Upsampling: PixelShuffle, transposed convolution, unpooling, FCN and U-Net."""
