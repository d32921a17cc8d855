//! `#[derive(Record)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Result};

use super::columns::Columns;
use super::input::{bounded, laminar_db};

pub fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let read = Columns::read(input, "Record")?;
    let db = laminar_db(read.crate_path.as_ref());
    let ident = &input.ident;
    let fields = read.kept().map(|column| {
        let (name, ty) = (&column.name, column.ty);
        let nullable = column.nullable.then(|| quote!(.nullable()));
        let event_time = column.event_time.map(|delay_ms| quote!(.event_time(#delay_ms)));
        // A type that is no column is told where the type stands.
        quote_spanned!(ty.span()=> #db::RecordField::of::<#ty>(#name) #nullable #event_time)
    });
    let writes = read.kept().map(|column| {
        let field = column.ident;
        quote!(row.write(&self.#field)?;)
    });
    let types = || read.kept().map(|column| column.ty);
    let generics = bounded(&input.generics, types(), &quote!(#db::ToColumn));
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #impl_generics #db::Record for #ident #type_generics #where_clause {
            fn fields() -> ::std::vec::Vec<#db::RecordField> {
                ::std::vec![#(#fields),*]
            }

            fn write(&self, row: &mut #db::RowWriter<'_>) -> #db::Result<()> {
                #(#writes)*
                ::std::result::Result::Ok(())
            }
        }

        #[automatically_derived]
        impl #impl_generics #db::ToColumn for #ident #type_generics #where_clause {
            fn data_type() -> #db::arrow::datatypes::DataType {
                let schema = <Self as #db::Record>::schema();
                #db::arrow::datatypes::DataType::Struct(
                    ::std::clone::Clone::clone(schema.fields()),
                )
            }

            fn write(&self, cell: #db::Cell<'_>) -> #db::Result<()> {
                cell.record(self)
            }
        }
    })
}
