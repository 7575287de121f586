//! What is checked when all options have been read, in the reference's order.

use super::face::Face;
use super::fault::Fault;
use crate::flags::{Draft, Tool};
use crate::packet::ProtocolVersion;

/// Checks 1 to 9, and in `sub` that its options go together.
///
/// # Errors
///
/// The first that fails.
pub(crate) fn check(draft: &Draft, tool: Tool, face: Face) -> Result<(), Fault> {
    check_will(draft)?;
    check_tls(draft)?;
    check_session(draft)?;
    if face == Face::Friendly
        && draft.connection.url_without_topic
        && draft.message.topic.is_none()
        && draft.subscription.topics.is_empty()
        && !draft.message.has_own_topics()
        && tool != Tool::Health
    {
        return Err(Fault::UrlTopicMissing);
    }
    if draft.tls.keypass_file.is_some() && draft.tls.key.is_none() {
        return Err(Fault::Needs("--keypass-file", "--key"));
    }
    let subscription = &draft.subscription;
    if tool == Tool::Subscribe && subscription.topics.is_empty() && subscription.unsubscribe.is_empty() {
        return Err(Fault::NoFilter);
    }
    if tool == Tool::Subscribe && subscription.no_retain && subscription.retained_only {
        return Err(Fault::RetainedOnlyWithoutRetained);
    }
    if let (Some(warn), Some(crit)) = (draft.health.warn, draft.health.crit)
        && warn > crit
    {
        return Err(Fault::WarnBeyondCrit);
    }
    if tool == Tool::Record {
        return check_recording(draft);
    }
    if tool == Tool::Replay && draft.replaying.replay_file.is_none() {
        return Err(Fault::NoRecording);
    }
    if tool == Tool::Subscribe { check_output(draft).and_then(|()| check_retained(draft)) } else { Ok(()) }
}

fn check_recording(draft: &Draft) -> Result<(), Fault> {
    let recording = &draft.recording;
    if draft.subscription.topics.is_empty() {
        return Err(Fault::NoFilterToRecord);
    }
    if draft.subscription.count == Some(0) {
        return Err(Fault::Count("0".to_owned()));
    }
    if recording.append && recording.force {
        return Err(Fault::Together("--append", "--force"));
    }
    let needs_file = [(recording.append, "--append"), (recording.force, "--force")];
    match needs_file.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, flag)) if !recording.is_to_file() => Err(Fault::Needs(flag, "-o with a file")),
        _ => Ok(()),
    }
}

/// `--exec` and `--jq` each decide alone what is printed.
fn check_output(draft: &Draft) -> Result<(), Fault> {
    let subscription = &draft.subscription;
    if let Some((_, other)) = [
        (draft.output.json, "--json"),
        (draft.output.format.is_some(), "-F"),
        (draft.output.watch, "-w"),
        (draft.output.message_rate, "--message-rate"),
    ]
    .into_iter()
    .find(|(is_given, _)| *is_given && subscription.exec.is_some())
    {
        return Err(Fault::Together("--exec", other));
    }
    if let Some((_, other)) = [
        (draft.output.json, "--json"),
        (draft.output.format.is_some(), "-F"),
        (subscription.exec.is_some(), "--exec"),
        (draft.output.watch, "-w"),
        (draft.output.message_rate, "--message-rate"),
    ]
    .into_iter()
    .find(|(is_given, _)| *is_given && draft.output.jq.is_some())
    {
        return Err(Fault::Together("--jq", other));
    }
    Ok(())
}

/// `--retained` and what goes with it, and `--exec-jobs`.
fn check_retained(draft: &Draft) -> Result<(), Fault> {
    let subscription = &draft.subscription;
    let needs = [
        (subscription.exec_jobs.is_some(), subscription.exec.is_some(), "--exec-jobs", "--exec"),
        (subscription.purge, subscription.retained, "--purge", "--retained"),
        (subscription.dry_run, subscription.purge, "--dry-run", "--purge"),
        (subscription.backup.is_some(), subscription.purge, "--backup", "--purge"),
    ];
    if let Some((.., flag, other)) =
        needs.into_iter().find(|(is_given, has_other, ..)| *is_given && !has_other)
    {
        return Err(Fault::Needs(flag, other));
    }
    let others = [
        (subscription.no_retain, "-R"),
        (subscription.retained_only, "--retained-only"),
        (subscription.remove_retained, "--remove-retained"),
        (subscription.exit_after_subscribe, "-E"),
        (subscription.topics.is_empty(), "-U alone"),
        (draft.output.message_rate, "--message-rate"),
        (draft.output.random_filter.is_some() && subscription.purge, "--random-filter"),
        (subscription.count.is_some() && subscription.purge, "-C"),
    ];
    match others.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, other)) if subscription.retained => {
            Err(Fault::Together(if subscription.purge { "--retained --purge" } else { "--retained" }, other))
        }
        _ => Ok(()),
    }
}

fn check_will(draft: &Draft) -> Result<(), Fault> {
    match &draft.will.will_topic {
        Some(_) => Ok(()),
        None if draft.will.will_payload.is_some() => Err(Fault::WillPayloadAlone),
        None if draft.will.will_retain => Err(Fault::WillRetainAlone),
        None => Ok(()),
    }
}

fn check_tls(draft: &Draft) -> Result<(), Fault> {
    let tls = &draft.tls;
    if tls.cert.is_some() != tls.key.is_some() {
        return Err(Fault::CertificateAndKey);
    }
    if tls.keyform.is_some() && tls.key.is_none() {
        return Err(Fault::KeyformAlone);
    }
    if tls.tls_engine_kpass_sha1.is_some() && (tls.keyform.is_none() || tls.tls_engine.is_none()) {
        return Err(Fault::EnginePasswordAlone);
    }
    if tls.psk.is_some() && (tls.cafile.is_some() || tls.capath.is_some()) {
        return Err(Fault::PskAndCertificates);
    }
    if tls.psk.is_some() && tls.psk_identity.is_none() {
        return Err(Fault::PskIdentityMissing);
    }
    Ok(())
}

/// A session that outlives the connection needs an identifier of the user's own; a made-up one does not count.
fn check_session(draft: &Draft) -> Result<(), Fault> {
    let connection = &draft.connection;
    let has_own_id = connection.id.is_some() && connection.id_prefix.is_none();
    if has_own_id {
        return Ok(());
    }
    match connection.protocol_version.unwrap_or_default() {
        ProtocolVersion::V5 if connection.expiry() == u32::MAX => Err(Fault::IdForInfiniteExpiry),
        ProtocolVersion::V5 => Ok(()),
        ProtocolVersion::V31 | ProtocolVersion::V311 if connection.disable_clean_session => {
            Err(Fault::IdForKeptSession)
        }
        ProtocolVersion::V31 | ProtocolVersion::V311 => Ok(()),
    }
}
