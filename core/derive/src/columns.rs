//! The attributes of records and rows: `#[laminar(...)]` and `#[event_time]`.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Attribute, DeriveInput, Error, Field, LitStr, Meta, Path, Result, Type};

use super::input::{Mistakes, Spelling, is_option, named_fields, path, text, unknown};

/// What a struct says of its columns.
#[derive(Debug)]
pub struct Columns<'a> {
    pub crate_path: Option<Path>,
    pub columns: Vec<Column<'a>>,
}

/// What a field says of its column.
#[derive(Debug)]
pub struct Column<'a> {
    pub ident: &'a syn::Ident,
    pub ty: &'a Type,
    pub name: String,
    /// How far behind it the watermark stays, in milliseconds, where it is the time of the event.
    pub event_time: Option<u64>,
    pub nullable: bool,
    pub default: bool,
    pub skip: bool,
}

impl<'a> Columns<'a> {
    /// Reads the attributes of a struct and its fields.
    pub fn read(input: &'a DeriveInput, derive: &str) -> Result<Self> {
        let fields = named_fields(input, derive)?;
        let mut mistakes = Mistakes::default();
        let container = mistakes.take(Container::read(&input.attrs));
        let mut columns: Vec<Column<'a>> = Vec::new();
        let mut event_time: Option<String> = None;
        for field in fields {
            let column = match Column::read(field, container.spelling) {
                Ok(column) => column,
                Err(error) => {
                    mistakes.add(error);
                    continue;
                }
            };
            if column.event_time.is_some()
                && let Some(first) = event_time.replace(column.name.clone())
            {
                let message = format!("`{first}` is the event time already: there is one");
                mistakes.add(Error::new_spanned(column.ident, message));
            }
            if !column.skip && columns.iter().any(|c| !c.skip && c.name == column.name) {
                let message = format!("another field is the column `{}` already", column.name);
                mistakes.add(Error::new_spanned(column.ident, message));
            }
            columns.push(column);
        }
        if !columns.is_empty() && columns.iter().all(|column| column.skip) {
            let message = "every field is skipped: a row has at least one column";
            mistakes.add(Error::new_spanned(&input.ident, message));
        }
        mistakes.finish()?;
        Ok(Self { crate_path: container.crate_path, columns })
    }

    /// Those that are columns.
    pub fn kept(&self) -> impl Iterator<Item = &Column<'a>> {
        self.columns.iter().filter(|column| !column.skip)
    }
}

#[derive(Default)]
struct Container {
    spelling: Option<Spelling>,
    crate_path: Option<Path>,
}

impl Container {
    fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut container = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("laminar"))
        {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename_all") {
                    container.spelling = Some(Spelling::read(&text(&meta)?)?);
                } else if meta.path.is_ident("crate") {
                    container.crate_path = Some(path(&meta)?);
                } else {
                    return Err(unknown(&meta, &["rename_all", "crate"]));
                }
                Ok(())
            })?;
        }
        Ok(container)
    }
}

impl<'a> Column<'a> {
    fn read(field: &'a Field, spelling: Option<Spelling>) -> Result<Self> {
        let ident = field.ident.as_ref().expect("the fields of the struct have names");
        let plain = ident.to_string();
        let plain = plain.strip_prefix("r#").unwrap_or(&plain);
        let mut column = Self {
            ident,
            ty: &field.ty,
            name: spelling.map_or_else(|| plain.to_string(), |spelling| spelling.apply(plain)),
            event_time: None,
            nullable: false,
            default: false,
            skip: false,
        };
        let mut at = None;
        for attribute in &field.attrs {
            if attribute.path().is_ident("event_time") {
                column.event_time = Some(delay_of(attribute)?);
                at = Some(attribute.span());
            } else if attribute.path().is_ident("laminar") {
                attribute.parse_nested_meta(|meta| {
                    at = Some(meta.path.span());
                    column.read_meta(&meta)
                })?;
            }
        }
        column.check(at.unwrap_or_else(|| ident.span()))?;
        Ok(column)
    }

    fn read_meta(&mut self, meta: &syn::meta::ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("rename") {
            let name = text(meta)?;
            if name.value().is_empty() {
                return Err(Error::new(name.span(), "a column has a name"));
            }
            self.name = name.value();
        } else if meta.path.is_ident("nullable") {
            self.nullable = true;
        } else if meta.path.is_ident("default") {
            self.default = true;
        } else if meta.path.is_ident("skip") {
            self.skip = true;
        } else if meta.path.is_ident("event_time") {
            self.event_time = Some(0);
        } else {
            return Err(unknown(meta, &["rename", "nullable", "default", "skip", "event_time"]));
        }
        Ok(())
    }

    fn check(&self, at: Span) -> Result<()> {
        if self.skip && (self.event_time.is_some() || self.nullable) {
            return Err(Error::new(at, "a field that is skipped is no column"));
        }
        if self.event_time.is_some() && (self.nullable || is_option(self.ty)) {
            let message = "the event time of a row is always there: it cannot be NULL";
            return Err(Error::new(at, message));
        }
        Ok(())
    }
}

/// The delay of `#[event_time]` or `#[event_time(delay = "5s")]`, in milliseconds.
fn delay_of(attribute: &Attribute) -> Result<u64> {
    let mut delay_ms = 0;
    if !matches!(attribute.meta, Meta::Path(_)) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("delay") {
                return Err(unknown(&meta, &["delay"]));
            }
            let text = text(&meta)?;
            delay_ms = milliseconds(&text)?;
            Ok(())
        })?;
    }
    Ok(delay_ms)
}

fn milliseconds(text: &LitStr) -> Result<u64> {
    let value = text.value();
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let unit_ms = match unit.trim() {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let number: Option<u64> = number.parse().ok();
    number.zip(unit_ms).and_then(|(number, unit_ms)| number.checked_mul(unit_ms)).ok_or_else(|| {
        let message =
            format!("`{value}` is no duration: write \"100ms\", \"5s\", \"1m\" or \"1h\"");
        Error::new(text.span(), message)
    })
}
