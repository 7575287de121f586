//! One file a program: plan, run, status.
