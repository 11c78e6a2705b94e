//! What gRPC's tools ask first: which services there are, and of what fields their messages are. In both versions
//! that are asked for, as Prism's own server has it.

use axum::Router;
use tonic::service::Routes;
use tonic_reflection::server::Builder;

/// Of `proto/prism`, made by build.rs.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/prism_services.bin"));

pub(super) fn routes() -> Router {
    let builder = || Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
    let described = "the descriptors are those that build.rs wrote";
    let routes = Routes::new(builder().build_v1().expect(described));
    routes.add_service(builder().build_v1alpha().expect(described)).into_axum_router()
}
