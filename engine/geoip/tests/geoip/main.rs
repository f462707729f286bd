//! The table against files of every shape, sound and broken.

mod answers;
mod demo;
mod fixtures;
mod hostile;
mod refusals;
