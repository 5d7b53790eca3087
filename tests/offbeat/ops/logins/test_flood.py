"""A flood of logins from many addresses with many names, at a real web process that hashes as in production."""

import threading
import urllib.parse
import urllib.request
from urllib.error import HTTPError

from tests.offbeat.support.browser import TOKEN

CLIENTS = 48  # at once, a dozen times the threads; each logs in three times


def log_in(address, number):
    """Post to the login as somebody else each time; give the status."""
    page = urllib.request.urlopen(f"{address}/admin/login/", timeout=120)  # noqa: S310  our own server
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    form = {
        "username": f"user{number}",
        "password": "wrong",
        "csrfmiddlewaretoken": TOKEN.search(page.read().decode())[1],
    }
    headers = {
        "Cookie": cookie,
        "Referer": f"{address}/admin/login/",
        "X-Forwarded-For": f"198.51.{number // 250}.{number % 250}",
    }
    body = urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(f"{address}/admin/login/", body, headers)  # noqa: S310  as above
    try:
        answer = urllib.request.urlopen(request, timeout=120)  # noqa: S310  our own server
    except HTTPError as error:
        answer = error
    with answer:
        return answer.status


def test_a_flood_of_logins_leaves_the_rest_alone(stack):
    """Health is answered while most of the flood is refused: none of its requests waits for the hashes of those before."""
    web = stack.web(TESTS_REAL_HASHES="true")
    address = web.browser.address
    statuses, hashed_meanwhile = [], []

    def attack(client):
        statuses.extend(log_in(address, 3 * client + turn) for turn in range(3))

    attackers = [threading.Thread(target=attack, args=(client,)) for client in range(CLIENTS)]
    for attacker in attackers:
        attacker.start()
    while any(attacker.is_alive() for attacker in attackers):
        before = statuses.count(200)
        web.browser.get("/healthz")
        hashed_meanwhile.append(statuses.count(200) - before)
    for attacker in attackers:
        attacker.join()

    assert set(statuses) == {200, 429}
    assert statuses.count(429) > statuses.count(200)
    assert max(hashed_meanwhile) < CLIENTS / 4
