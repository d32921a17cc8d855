//! The committed files are what the header says now.

#[test]
fn generated_files_are_fresh() {
    for output in
        laminar_bindings_generate::outputs(&laminar_bindings_generate::header_path()).unwrap()
    {
        let committed = std::fs::read_to_string(&output.path).unwrap_or_default();
        assert!(
            committed == output.text,
            "{} is older than include/laminar.h: run `cargo run -p laminar-bindings-generate`",
            output.path.display()
        );
    }
}
