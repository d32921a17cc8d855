//! `#[derive(FromRow)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Result};

use super::columns::Columns;
use super::input::{bounded, laminar_db};

/// Of a derive by either name.
pub fn expand(input: &DeriveInput, derive: &str) -> Result<TokenStream> {
    let read = Columns::read(input, derive)?;
    let db = laminar_db(read.crate_path.as_ref());
    let ident = &input.ident;
    let columns = read.kept().map(|column| {
        let (name, ty) = (&column.name, column.ty);
        let optional = column.default.then(|| quote!(.optional()));
        // A type that is not read is told where the type stands.
        quote_spanned!(ty.span()=> #db::RowColumn::of::<#ty>(#name) #optional)
    });
    let mut place = 0_usize;
    let values = read.columns.iter().map(|column| {
        let (field, ty) = (column.ident, column.ty);
        if column.skip {
            return quote!(#field: ::std::default::Default::default());
        }
        let at = place;
        place += 1;
        match column.default {
            true => quote_spanned!(ty.span()=> #field: row.read_or_default::<#ty>(#at)?),
            false => quote!(#field: row.read(#at)?),
        }
    });
    let values: Vec<TokenStream> = values.collect();
    let types = || read.kept().map(|column| column.ty);
    let generics = bounded(&input.generics, types(), &quote!(#db::FromColumn));
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #db::FromRow for #ident #type_generics #where_clause {
            fn columns() -> ::std::vec::Vec<#db::RowColumn> {
                ::std::vec![#(#columns),*]
            }

            fn from_row(row: &#db::Row<'_>) -> #db::Result<Self> {
                ::std::result::Result::Ok(Self { #(#values),* })
            }
        }

        #[automatically_derived]
        impl #impl_generics #db::FromColumn for #ident #type_generics #where_clause {
            fn accepts(data_type: &#db::arrow::datatypes::DataType) -> bool {
                #db::derived::accepts_struct::<Self>(data_type)
            }

            fn read(value: #db::Value<'_>) -> ::std::result::Result<Self, #db::Unfit> {
                #db::derived::read_struct(value)
            }
        }
    })
}
