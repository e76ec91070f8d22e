-- The same for the notifier's outbox and the deliveries that are due.
do $$
begin
    execute format('create policy operators on mail.outbox for select to %I using (true)', current_user);
    execute format('create policy operators on mail.deliveries for select to %I using (true)', current_user);
end
$$;
