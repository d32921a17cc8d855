//! The native part of `io.laminardb:laminardb`: the methods of the Java class
//! `io.laminardb.Native`, over the safe handles of `laminar-client`.
//!
//! A handle is the address of a box that Java holds as a `long`. Java counts the calls that are in
//! a handle and frees it after the last one (`io.laminardb.Handle`); that is what every `SAFETY`
//! here that speaks of Java relies on. Text crosses as UTF-8 in a `byte[]`; cells and rows cross in
//! one piece for a batch (`laminar_client::pack`, `laminar_client::wire`), never one by one. No
//! method holds a lock that another handle could wait for. What tells of new rows never enters the
//! virtual machine: it leaves a note that a Java thread picks up (`ready.rs`). Functions of SQL and
//! the log's listener are called where they are due (`host.rs`).

#![allow(non_snake_case)] // the virtual machine finds the methods by these names

mod batch;
mod bytes;
mod cursor;
mod database;
mod failure;
mod handle;
mod host;
mod ready;
mod schema;
mod source;
mod subscription;

/// A native method: its errors and panics are thrown as Java's exceptions.
macro_rules! native {
    ($(
        $(#[$doc:meta])*
        fn $symbol:ident<$local:lifetime>($env:ident $(, $name:ident: $ty:ty)* $(,)?) -> $result:ty
        $body:block
    )*) => {
        $(
            $(#[$doc])*
            #[unsafe(no_mangle)]
            pub extern "system" fn $symbol<$local>(
                mut unowned: jni::EnvUnowned<$local>,
                _class: jni::objects::JClass<$local>
                $(, $name: $ty)*
            ) -> $result {
                unowned
                    .with_env(|$env| -> crate::failure::Fallible<$result> { $body })
                    .resolve::<crate::failure::Throw>()
            }
        )*
    };
}
pub(crate) use native;
