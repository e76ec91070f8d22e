async def test_pages(browser, town, api, log):
    for path in ["", "admissions", "reports", "face-sheet", "document-center", f"clients/{town.client.id}", f"clients/{town.client.id}/edit",
                 f"document-center/{town.client.id}", f"document-center/{town.client.id}/{await town.case_id()}", f"document-center/{town.client.id}/{await town.case_id()}/face-sheet-changes"]:
        page = await browser.get(path)
        print(path, page.status, page.words[:300])
        assert page.status == 200
    page = await browser.edit(town.client)
    print(page.form())
    page = await browser.press(town.client, page, "do=add-login", first_name="Zed")
    print(page.form()); print(page.words)
    page = await browser.press(town.client, page, "do=save-login", username="cmalek", email="x@example.com")
    print(page.status, page.words); print(page.form())
