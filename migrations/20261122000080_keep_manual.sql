-- Some providers answer a dispute by themselves at its deadline unless they are told to leave that to the merchant. They
-- are told once in a cycle, by an action of its own kind.
alter table actions
    drop constraint actions_kind_known,
    add constraint actions_kind_known
    check (kind in ('accept', 'submit', 'stage_evidence', 'upload', 'keep_manual', 'fetch', 'pull_facts'));
