"""One file per symbol of the paper: E, G_g, G_l, G_w, the fused generator, D_s and D_i."""
