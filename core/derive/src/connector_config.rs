//! `#[derive(ConnectorConfig)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Result, Type};

use super::input::{bounded, is_option, laminar_db};
use super::options::{Fallback, Form, Opt, Options};

pub fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let read = Options::read(input)?;
    let db = laminar_db(read.crate_path.as_ref());
    let ident = &input.ident;
    let takes_rest = read.options.iter().any(|option| option.form == Form::Rest);
    let specs = read.options.iter().map(|option| match option.form {
        Form::Flatten => {
            let ty = option.ty;
            quote_spanned!(ty.span()=> specs.extend(<#ty as #db::ConnectorConfig>::specs());)
        }
        Form::Rest => TokenStream::new(),
        _ => {
            let spec = spec(option, &db);
            quote!(specs.push(#spec);)
        }
    });
    let reads = read.options.iter().map(|option| {
        let (field, ty) = (option.ident, option.ty);
        match option.form {
            Form::Flatten => quote_spanned! {ty.span()=>
                let #field = <#ty as #db::ConnectorConfig>::read(options);
            },
            Form::Rest => quote_spanned! {ty.span()=>
                let #field = ::std::option::Option::Some(
                    options.rest().into_iter().collect::<#ty>(),
                );
            },
            _ => {
                let (spec, form) = (spec(option, &db), form(option, &db));
                let own = matches!(option.default, Some(Fallback::Own));
                let take = match own {
                    true => quote!(take_or_default),
                    false => quote!(take),
                };
                quote_spanned!(ty.span()=> let #field = options.#take::<#ty, #form>(&#spec);)
            }
        }
    });
    let reads: Vec<TokenStream> = reads.collect();
    let writes = read.options.iter().map(|option| {
        let (field, ty, key) = (option.ident, option.ty, &option.key);
        match option.form {
            Form::Flatten => quote!(#db::ConnectorConfig::write(&self.#field, options);),
            Form::Rest => quote! {
                for (key, value) in &self.#field {
                    options.insert(
                        ::std::clone::Clone::clone(key),
                        ::std::clone::Clone::clone(value),
                    );
                }
            },
            _ => {
                let form = form(option, &db);
                quote_spanned! {ty.span()=>
                    #db::derived::put::<#ty, #form>(options, #key, &self.#field);
                }
            }
        }
    });
    let names: Vec<&syn::Ident> = read.options.iter().map(|option| option.ident).collect();
    let validate = read.validate.as_ref().map(|function| {
        quote! {
            if let ::std::result::Result::Err(problem) = #function(&config) {
                options.refuse(problem);
            }
        }
    });
    let types = read.options.iter().map(|option| option.ty);
    let generics = bounded(&input.generics, types, &quote!(#db::OptionValue));
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #db::ConnectorConfig for #ident #type_generics #where_clause {
            const TAKES_REST: bool = #takes_rest;

            fn specs() -> ::std::vec::Vec<#db::OptionSpec> {
                let mut specs = ::std::vec::Vec::new();
                #(#specs)*
                specs
            }

            fn read(options: &mut #db::OptionReader<'_>) -> ::std::option::Option<Self> {
                #(#reads)*
                let config = Self { #(#names: #names?),* };
                #validate
                ::std::option::Option::Some(config)
            }

            fn write(&self, options: &mut ::std::collections::HashMap<
                ::std::string::String,
                ::std::string::String,
            >) {
                #(#writes)*
            }
        }
    })
}

/// The description of an option, as an expression.
fn spec(option: &Opt<'_>, db: &TokenStream) -> TokenStream {
    let (ty, key, form) = (option.ty, &option.key, form(option, db));
    let mut spec = quote_spanned!(ty.span()=> #db::OptionSpec::of::<#ty, #form>(#key));
    for alias in &option.aliases {
        spec.extend(quote!(.alias(#alias)));
    }
    if !option.description.is_empty() {
        let description = &option.description;
        spec.extend(quote!(.description(#description)));
    }
    if let Some(variable) = &option.env {
        spec.extend(quote!(.env(#variable)));
    }
    match &option.default {
        Some(Fallback::Text(text)) => spec.extend(quote!(.default_text(#text))),
        Some(Fallback::Own) => spec.extend(quote!(.optional())),
        None if is_option(option.ty) => spec.extend(quote!(.optional())),
        None => {}
    }
    if option.secret {
        spec.extend(quote!(.secret()));
    }
    spec
}

/// The type that says how a field is read and written.
fn form(option: &Opt<'_>, db: &TokenStream) -> TokenStream {
    let derived: Type = option.ty.clone();
    match option.form {
        Form::Milliseconds => quote!(#db::derived::Milliseconds),
        Form::Seconds => quote!(#db::derived::Seconds),
        Form::FromStr => quote!(#db::derived::ByFromStr),
        _ => quote_spanned!(derived.span()=> #db::derived::ByValue),
    }
}
