//! Tests of admission and evaluation through the public interface of this module.

mod admission;
mod evaluation;
mod parking_permit;
