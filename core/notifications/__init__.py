"""What people should know: kept until read, shown on their open sockets at once, and sent by e-mail, Slack or Web Push
where nobody read it in time."""
