"""Source `clock`: how good this computer's clock is, as chrony or the kernel says."""
