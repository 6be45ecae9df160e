"""Will a deal close, when, and why. Features are built by one pure function, for training and for serving alike."""
