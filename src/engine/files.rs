//! Files that travel in the call itself, held against the provider's limits before anything is sent. Where files
//! are uploaded beforehand the upload is what is refused, and there is nothing to say here.

use super::Case;
use crate::dispute::FileDelivery;
use crate::evidence::Packet;

/// What the packet's files break, in words.
pub(super) fn faults(case: &Case, packet: &Packet) -> Vec<String> {
    let limits = case.account.capabilities.files;
    match limits.delivery {
        FileDelivery::Upload => return Vec::new(),
        FileDelivery::Inline => {}
    }
    let provider = case.account.provider;
    let mut found = Vec::new();
    let mut total = 0;
    for file_ref in packet.files.values().flatten() {
        let Some(file) = case.own_files.iter().find(|own| own.file_ref == *file_ref) else {
            found.push(format!(
                "`{file_ref}` is no file attached to this dispute, and {provider} takes no others: attach it with \
                 `evidence add --file`"
            ));
            continue;
        };
        total += file.size_bytes;
        if !limits.media_types.contains(&file.media_type.as_str()) {
            let taken = limits.media_types.join(", ");
            found.push(format!("{} is `{}`, and {provider} takes {taken}", file.name, file.media_type));
        }
        if file.size_bytes > limits.file_bytes_max {
            let (size, most) = (file.size_bytes, limits.file_bytes_max);
            found.push(format!("{} has {size} bytes, and {provider} takes {most}", file.name));
        }
    }
    if total > limits.total_bytes_max {
        let most = limits.total_bytes_max;
        found.push(format!("all files together have {total} bytes, and {provider} takes {most}"));
    }
    found
}
