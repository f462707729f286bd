//! What several tests and tasks share: how well the detectors do on a simulated company.

pub mod quality;
