//! The JSON Schema of a configuration, for editors.

use schemars::generate::SchemaSettings;

use crate::Document;

/// The schema as JSON text, draft-07: the newest that YAML language servers read.
#[must_use]
pub fn json() -> String {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Document>();
    schema.insert("title".to_owned(), "Quadspan router".into());
    let mut text = serde_json::to_string_pretty(schema.as_value()).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// `QUADSPAN_BLESS=1 cargo test -p schema` writes the file anew.
    #[test]
    fn the_schema_in_configs_is_the_one_made_here() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/quadspan.schema.json");
        if std::env::var_os("QUADSPAN_BLESS").is_some() {
            fs::write(&path, super::json()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), super::json(), "run it again with QUADSPAN_BLESS=1");
    }
}
