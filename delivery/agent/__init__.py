"""The way out: DNS, MTA-STS over HTTPS, TLS and SMTP, as far as they need a network.

One `Agent` looks domains up, delivers jobs and visits servers without a message:

    async with Agent(config, policies=store, clock=SystemClock()) as agent:
        facts = await agent.look_up("dane.test")
        report = await agent.deliver(job)

What a server or a resolver does wrong is an outcome in the report, never an exception. What is
demanded of a session is decided in `delivery.policy`, the order of the dialogue in
`delivery.smtp`. There is no queue here, no database and no Django, and nothing is retried later.

    resolver, answers, cache    questions to a validating resolver, aliases step by step
    lookup, hosts               a domain's MX hosts, their addresses, their TLSA records
    policy_fetch, policy_host   MTA-STS: which policy holds, and how one is fetched
    dialer, wire, tls, roots    one connection: time-outs, TLS, what the certificate proves
    session, transaction        the SMTP dialogue, and what its replies mean
    fair, turns, slots, health  who may have a session now, and which host is left alone
    pool, route, deliver, probe sessions for several messages; their order; a whole job; a visit
    second_try                  the same job again, if a newer MTA-STS policy turns up
"""

from __future__ import annotations
