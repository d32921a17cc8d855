//! Tests of the engine through the API of `laminar-db`.

mod smoke;
