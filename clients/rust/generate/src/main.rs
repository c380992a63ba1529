//! A plugin of protoc and buf: messages by prost, services by tonic, and a list of all messages.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};

use prost::Message as _;
use prost_types::compiler::code_generator_response::{Feature, File};
use prost_types::compiler::{CodeGeneratorRequest, CodeGeneratorResponse};
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

fn main() -> Result<(), Box<dyn Error>> {
    let mut asked = Vec::new();
    std::io::stdin().read_to_end(&mut asked)?;
    let request = CodeGeneratorRequest::decode(asked.as_slice())?;
    let wanted = request.file_to_generate;
    let list = list_of(request.proto_file.iter().filter(|file| wanted.iter().any(|name| name == file.name())));
    let mut files = code(FileDescriptorSet { file: request.proto_file })?;
    files.insert("messages.rs".into(), list);
    let response = CodeGeneratorResponse {
        supported_features: Some(Feature::Proto3Optional as u64),
        file: files
            .into_iter()
            .map(|(name, content)| File { name: Some(name), content: Some(content), ..Default::default() })
            .collect(),
        ..Default::default()
    };
    Ok(std::io::stdout().write_all(&response.encode_to_vec())?)
}

/// Returns the code of every package by the name of its file.
fn code(files: FileDescriptorSet) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let mut config = tonic_prost_build::Config::new();
    config.btree_map(["."]); // the same message is always the same bytes
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .out_dir(folder.path())
        .compile_fds_with_config(files, config)?;
    let mut written = BTreeMap::new();
    for entry in fs::read_dir(folder.path())? {
        let entry = entry?;
        let text = fs::read_to_string(entry.path())?;
        if text.lines().any(|line| !line.starts_with("//") && !line.is_empty()) {
            written.insert(entry.file_name().into_string().map_err(|_| "a name that is no text")?, text);
        }
    }
    Ok(written)
}

/// Returns a macro that hands the names of all messages to another one.
fn list_of<'a>(files: impl Iterator<Item = &'a FileDescriptorProto>) -> String {
    let mut names: Vec<&str> = files.flat_map(|file| &file.message_type).map(DescriptorProto::name).collect();
    names.sort_unstable();
    let mut text = String::from("// This file is @generated: every message of quickthorn.v1, for `$then!`.\n");
    text += "macro_rules! messages {\n    ($then:ident) => {\n        $then! {\n";
    for name in names {
        let _ = writeln!(text, "            {name}");
    }
    text + "        }\n    };\n}\n"
}
