//! Two things cargo does not know of: `sqlx::migrate!` reads its folder at compile time, and the messages of
//! gRPC providers are made from `.proto` files. protox reads those, so that no machine needs a `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["types.proto", "ucs_v2.proto", "ucs_v2_renamed.proto"], ["proto/prism"])?;
    // Messages alone: the calls are made by hand, since one client speaks to several versions of a service.
    tonic_prost_build::configure()
        .build_client(false)
        .build_server(false)
        .bytes(".")
        .include_file("prism.rs")
        .compile_fds(files)?;
    Ok(())
}
