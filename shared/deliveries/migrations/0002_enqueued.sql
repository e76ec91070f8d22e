-- When a sweep last put a task for a delivery on the queue; null once a worker has it.
alter table mail.deliveries add column enqueued_at timestamptz;

comment on column mail.delivery_attempts.outcome is
    'accepted, deferred (4xx), refused (5xx), unreachable (nothing was said about this mail), channel_refused (the mail
server takes none from us), unknown (connection lost after the content), withdrawn (superseded or cancelled before the
content left), interrupted (the worker ended first), error (of our own); null while it runs';
