//! The laws of the machine, as tests.
