//! Every flag, declared once with clap; text becomes the configurations of the rooms to the left.
