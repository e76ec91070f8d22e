-- The mail to the old address, after staff have changed a login's address, carries a code with which its reader says: that
-- was me. The same code says: that was not me.

alter table accounts.password_tokens drop constraint password_tokens_purpose_check;
alter table accounts.password_tokens add constraint password_tokens_purpose_check
    check (purpose in ('temporary', 'reset', 'report', 'confirm_email')) not valid;
alter table accounts.password_tokens validate constraint password_tokens_purpose_check;
