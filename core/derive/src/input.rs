//! What every derive reads: the fields of a struct, how names are spelled, and mistakes.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{
    Data, DeriveInput, Error, Field, Fields, Generics, LitStr, Path, Result, Token, Type,
    WherePredicate, parse_quote,
};

/// The fields of a struct that names them.
pub fn named_fields<'a>(
    input: &'a DeriveInput,
    derive: &str,
) -> Result<&'a Punctuated<Field, Token![,]>> {
    let refuse = |what: &str| {
        let message =
            format!("#[derive({derive})] is for structs with named fields, and not for {what}");
        Err(Error::new_spanned(&input.ident, message))
    };
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if fields.named.is_empty() => refuse("one without fields"),
            Fields::Named(fields) => Ok(&fields.named),
            Fields::Unnamed(_) => refuse("one whose fields have no names"),
            Fields::Unit => refuse("one without fields"),
        },
        Data::Enum(_) => refuse("enums"),
        Data::Union(_) => refuse("unions"),
    }
}

/// Mistakes that are gathered, to be told all at once.
#[derive(Default)]
pub struct Mistakes(Option<Error>);

impl Mistakes {
    pub fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// What succeeded, and a default in the place of what did not.
    pub fn take<T: Default>(&mut self, result: Result<T>) -> T {
        result.unwrap_or_else(|error| {
            self.add(error);
            T::default()
        })
    }

    pub fn finish(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

/// An attribute that is not known, with those that are.
pub fn unknown(meta: &ParseNestedMeta<'_>, known: &[&str]) -> Error {
    let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let given =
        meta.path.get_ident().map_or_else(|| "this".to_string(), |name| format!("`{name}`"));
    meta.error(format!("{given} is not known here: there are {}", names.join(", ")))
}

/// `name = "text"`.
pub fn text(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    meta.value()?.parse()
}

/// `name = "path"`.
pub fn path(meta: &ParseNestedMeta<'_>) -> Result<Path> {
    text(meta)?.parse()
}

/// Whether a type is spelled `Option<...>`.
pub fn is_option(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    path.qself.is_none() && path.path.segments.last().is_some_and(|last| last.ident == "Option")
}

/// Where `laminar_db` is.
pub fn laminar_db(given: Option<&Path>) -> TokenStream {
    given.map_or_else(|| quote!(::laminar_db), |path| quote!(#path))
}

/// The generics with `Type: bound` for each type that names one of their parameters: the others are
/// better checked where they stand.
pub fn bounded<'a>(
    generics: &Generics,
    types: impl Iterator<Item = &'a Type>,
    bound: &TokenStream,
) -> Generics {
    let mut generics = generics.clone();
    let parameters: Vec<String> =
        generics.type_params().map(|parameter| parameter.ident.to_string()).collect();
    if parameters.is_empty() {
        return generics;
    }
    let wanted: Vec<WherePredicate> = types
        .filter(|ty| names_any(&quote!(#ty), &parameters))
        .map(|ty| parse_quote!(#ty: #bound))
        .collect();
    generics.make_where_clause().predicates.extend(wanted);
    generics
}

fn names_any(tokens: &TokenStream, names: &[String]) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => names.contains(&ident.to_string()),
        proc_macro2::TokenTree::Group(group) => names_any(&group.stream(), names),
        _ => false,
    })
}

/// How names are made of those of the fields, which are `snake_case`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    Snake,
    Camel,
    Pascal,
    Kebab,
    Dotted,
    Lower,
    Upper,
    ScreamingSnake,
}

impl Spelling {
    const ALL: [(&'static str, Self); 8] = [
        ("snake_case", Self::Snake),
        ("camelCase", Self::Camel),
        ("PascalCase", Self::Pascal),
        ("kebab-case", Self::Kebab),
        ("dotted.case", Self::Dotted),
        ("lowercase", Self::Lower),
        ("UPPERCASE", Self::Upper),
        ("SCREAMING_SNAKE_CASE", Self::ScreamingSnake),
    ];

    pub fn read(text: &LitStr) -> Result<Self> {
        let value = text.value();
        let found = Self::ALL.iter().find(|(name, _)| *name == value);
        found.map(|(_, spelling)| *spelling).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|(name, _)| *name).collect();
            Error::new(text.span(), format!("`{value}` is none of {}", names.join(", ")))
        })
    }

    /// A name of a field, spelled so.
    pub fn apply(self, name: &str) -> String {
        let words: Vec<&str> = name.split('_').filter(|word| !word.is_empty()).collect();
        let capital = |word: &&str| {
            let mut letters = word.chars();
            letters
                .next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .chain(letters)
                .collect::<String>()
        };
        match self {
            Self::Snake => name.to_string(),
            Self::Pascal => words.iter().map(capital).collect(),
            Self::Camel => {
                let first = words.first().copied().unwrap_or_default().to_string();
                first + &words.iter().skip(1).map(capital).collect::<String>()
            }
            Self::Kebab => words.join("-"),
            Self::Dotted => words.join("."),
            Self::Lower => name.to_lowercase(),
            Self::Upper => name.to_uppercase(),
            Self::ScreamingSnake => name.to_uppercase(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_asked() {
        for (spelling, spelled) in [
            ("snake_case", "unit_price"),
            ("camelCase", "unitPrice"),
            ("PascalCase", "UnitPrice"),
            ("kebab-case", "unit-price"),
            ("dotted.case", "unit.price"),
            ("lowercase", "unit_price"),
            ("UPPERCASE", "UNIT_PRICE"),
            ("SCREAMING_SNAKE_CASE", "UNIT_PRICE"),
        ] {
            let text = LitStr::new(spelling, proc_macro2::Span::call_site());
            assert_eq!(Spelling::read(&text).unwrap().apply("unit_price"), spelled);
        }
    }
}
