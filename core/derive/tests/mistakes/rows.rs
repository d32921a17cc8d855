use laminar_derive::{FromRecordBatch, FromRow};

#[derive(FromRow)]
struct Skipped { //~ every field is skipped: a row has at least one column
    #[laminar(skip)]
    size: i64,
}

#[derive(FromRecordBatch)]
union Both { //~ #[derive(FromRecordBatch)] is for structs with named fields, and not for unions
    size: i64,
}

#[derive(FromRow)]
struct Clash {
    #[laminar(skip, nullable)] //~ a field that is skipped is no column
    seen: bool,
    #[laminar(default = 1)] //~ expected `,`
    size: i64,
}
