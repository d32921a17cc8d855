//! Tests of the whole engine; see `engine/`.
