//! Two things cargo does not know of: `sqlx::migrate!` reads its folder at compile time, and the messages of gRPC
//! are made from `.proto` files. protox reads those, so that no machine needs a `protoc`.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=proto");
    spoken()?;
    served()
}

/// What providers are called with: messages alone, since one client speaks to several versions of a service.
fn spoken() -> Result<(), Box<dyn Error>> {
    let files = protox::compile(["types.proto", "ucs_v2.proto", "ucs_v2_renamed.proto"], ["proto/prism"])?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_server(false)
        .bytes(".")
        .include_file("prism.rs")
        .compile_fds(files)?;
    // What the stand-in of Prism tells of itself.
    let mut compiler = protox::Compiler::new(["proto/prism"])?;
    compiler.include_imports(true).open_files(["types_service.proto", "ucs_v2_service.proto"])?;
    let out = Path::new(&std::env::var("OUT_DIR")?).join("prism_services.bin");
    std::fs::write(out, compiler.encode_file_descriptor_set())?;
    Ok(())
}

/// What merchants' programs call: the messages, clients for those who want one, and the descriptors that reflection
/// tells. In a folder of its own, because both have a package `types`.
fn served() -> Result<(), Box<dyn Error>> {
    let out = Path::new(&std::env::var("OUT_DIR")?).join("served");
    std::fs::create_dir_all(&out)?;
    let mut compiler = protox::Compiler::new(["proto/served"])?;
    compiler.include_imports(true).open_files(["types.proto", "ucs_v2.proto"])?;
    std::fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(false)
        .build_transport(false)
        .bytes(".")
        .out_dir(&out)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
