//! Moving in and out, through the real binary.

mod export;
mod import;
mod supervisorctl;
mod tools;
