//! Tests of admission and evaluation through the public interface of this module.

mod admission;
mod evaluation;
mod markdown;
mod parking_permit;
