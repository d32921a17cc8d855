//! The attributes of configurations: `#[config(...)]`, and the comments that describe options.

use std::collections::HashSet;

use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{
    Attribute, DeriveInput, Error, Expr, Field, Lit, LitStr, Meta, Path, Result, Token, Type,
};

use super::input::{Mistakes, Spelling, is_option, named_fields, path, text, unknown};

/// What a struct says of its options.
pub struct Options<'a> {
    pub crate_path: Option<Path>,
    pub validate: Option<Path>,
    pub options: Vec<Opt<'a>>,
}

/// What a field says of its option.
pub struct Opt<'a> {
    pub ident: &'a syn::Ident,
    pub ty: &'a Type,
    pub key: String,
    pub aliases: Vec<String>,
    pub description: String,
    pub default: Option<Fallback>,
    pub env: Option<String>,
    pub form: Form,
    pub secret: bool,
    pub required: bool,
}

/// What stands for an option that is not given.
pub enum Fallback {
    /// A text, as an option has it.
    Text(LitStr),
    /// The type's own default.
    Own,
}

/// How a field is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By the type's `OptionValue`.
    Value,
    Milliseconds,
    Seconds,
    FromStr,
    /// A configuration of its own.
    Flatten,
    /// All other options.
    Rest,
}

impl<'a> Options<'a> {
    /// Reads the attributes of a struct and its fields.
    pub fn read(input: &'a DeriveInput) -> Result<Self> {
        let fields = named_fields(input, "ConnectorConfig")?;
        let mut mistakes = Mistakes::default();
        let container = mistakes.take(Container::read(&input.attrs));
        let mut options: Vec<Opt<'a>> = Vec::new();
        let mut keys = HashSet::new();
        for field in fields {
            let option = match Opt::read(field, container.spelling) {
                Ok(option) => option,
                Err(error) => {
                    mistakes.add(error);
                    continue;
                }
            };
            let own: Vec<String> =
                [&option.key].into_iter().chain(&option.aliases).cloned().collect();
            if matches!(option.form, Form::Flatten) {
                // Its keys are known to its own derive alone.
            } else if option.form == Form::Rest {
                if options.iter().any(|other| other.form == Form::Rest) {
                    let message = "another field takes the rest of the options already";
                    mistakes.add(Error::new_spanned(option.ident, message));
                }
            } else if let Some(twice) = own.iter().find(|key| keys.contains(*key)) {
                let message = format!("another field has the key `{twice}` already");
                mistakes.add(Error::new_spanned(option.ident, message));
            } else {
                keys.extend(own);
            }
            options.push(option);
        }
        mistakes.finish()?;
        Ok(Self { crate_path: container.crate_path, validate: container.validate, options })
    }
}

#[derive(Default)]
struct Container {
    spelling: Option<Spelling>,
    validate: Option<Path>,
    crate_path: Option<Path>,
}

impl Container {
    fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut container = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("config")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename_all") {
                    container.spelling = Some(Spelling::read(&text(&meta)?)?);
                } else if meta.path.is_ident("validate") {
                    container.validate = Some(path(&meta)?);
                } else if meta.path.is_ident("crate") {
                    container.crate_path = Some(path(&meta)?);
                } else {
                    return Err(unknown(&meta, &["rename_all", "validate", "crate"]));
                }
                Ok(())
            })?;
        }
        Ok(container)
    }
}

impl<'a> Opt<'a> {
    fn read(field: &'a Field, spelling: Option<Spelling>) -> Result<Self> {
        let ident = field.ident.as_ref().expect("the fields of the struct have names");
        let plain = ident.to_string();
        let plain = plain.strip_prefix("r#").unwrap_or(&plain);
        let mut option = Self {
            ident,
            ty: &field.ty,
            key: spelling.map_or_else(|| plain.to_string(), |spelling| spelling.apply(plain)),
            aliases: Vec::new(),
            description: description(&field.attrs),
            default: None,
            env: None,
            form: Form::Value,
            secret: false,
            required: false,
        };
        let mut at = ident.span();
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("config"))
        {
            attribute.parse_nested_meta(|meta| {
                at = meta.path.span();
                option.read_meta(&meta)
            })?;
        }
        option.check().map_err(|message| Error::new(at, message))?;
        Ok(option)
    }

    fn read_meta(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let is = |name: &str| meta.path.is_ident(name);
        if is("key") {
            self.key = some_text(meta)?;
        } else if is("alias") {
            self.aliases.push(some_text(meta)?);
        } else if is("env") {
            self.env = Some(some_text(meta)?);
        } else if is("default") {
            self.default = Some(match meta.input.peek(Token![=]) {
                true => Fallback::Text(text(meta)?),
                false => Fallback::Own,
            });
        } else if is("required") {
            self.required = true;
        } else if is("secret") {
            self.secret = true;
        } else {
            let form = [
                ("duration_ms", Form::Milliseconds),
                ("duration_s", Form::Seconds),
                ("from_str", Form::FromStr),
                ("flatten", Form::Flatten),
                ("rest", Form::Rest),
            ];
            let known = [
                "key",
                "alias",
                "env",
                "default",
                "required",
                "secret",
                "duration_ms",
                "duration_s",
                "from_str",
                "flatten",
                "rest",
            ];
            let Some((_, form)) = form.into_iter().find(|(name, _)| is(name)) else {
                return Err(unknown(meta, &known));
            };
            if self.form != Form::Value {
                return Err(meta.error("a field is read in one way"));
            }
            self.form = form;
        }
        Ok(())
    }

    fn check(&self) -> std::result::Result<(), &'static str> {
        let is_plain = self.default.is_none()
            && self.env.is_none()
            && self.aliases.is_empty()
            && !self.required
            && !self.secret;
        match self.form {
            Form::Flatten | Form::Rest if !is_plain => {
                Err("a field with `flatten` or `rest` is no option itself: it takes nothing else")
            }
            _ if self.required && self.default.is_some() => Err("what is required has no default"),
            _ if self.required && is_option(self.ty) => {
                Err("what is required is always there: make the field's type no Option")
            }
            _ if is_option(self.ty) && matches!(self.default, Some(Fallback::Own)) => {
                Err("an Option is None by default already")
            }
            Form::FromStr if is_option(self.ty) => {
                Err("`from_str` reads no Option: implement OptionValue for the type in it")
            }
            _ => Ok(()),
        }
    }
}

fn some_text(meta: &ParseNestedMeta<'_>) -> Result<String> {
    let text = text(meta)?;
    match text.value().is_empty() {
        true => Err(Error::new(text.span(), "this is empty")),
        false => Ok(text.value()),
    }
}

/// The documentation comment of a field, in one line.
fn description(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value().trim().to_string()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join(" ").trim().to_string()
}
