//! Faults of the disk, and databases that are refused.
