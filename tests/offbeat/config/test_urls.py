"""The addresses of the site, with the example and without."""


def test_the_start_of_the_site_leads_somewhere(client):
    """Whoever opens the bare address sees a page: that of an app, or the ops pages' login."""
    assert client.get("/", follow=True).status_code == 200
