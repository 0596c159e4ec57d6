from __future__ import annotations

from delivery.smtp import ClientConnection, Ehlo, Reply, ReplyReceived


def test_greeting_and_hello():
    connection = ClientConnection()
    connection.receive_data(b"220 mx.dane.test ESMTP\r\n")
    assert connection.next_event() == ReplyReceived(Reply(220, None, ("mx.dane.test ESMTP",)))
    assert connection.send(Ehlo("mail.mailweb.test")) == b"EHLO mail.mailweb.test\r\n"
