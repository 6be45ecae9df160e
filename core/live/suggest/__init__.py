"""What to say next, at most now and then: chosen from playbook, battlecards and knowledge by a ranking that learns from
what sellers take and leave."""
