//! How definition files are changed: by operators, through the server, beside people with editors.

// Publishing is what will use it.
#[cfg_attr(not(test), expect(dead_code))]
mod yaml_edit;
