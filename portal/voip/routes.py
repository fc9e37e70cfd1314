"""Every address of the VoIP zone, and who may come there."""

from portal.forms import choose_language
from portal.routing import Route
from portal.sessions import logout
from portal.static_files import static
from portal.voip import calls, credit, price, signing_in

ROUTES = (
    Route("GET", "/", price.price_page, "anyone"),
    Route("GET", "/price.json", price.price_json, "anyone"),
    Route("GET", "/login", signing_in.login_page, "anyone"),
    Route("POST", "/login", signing_in.login, "anyone"),
    Route("POST", "/logout", logout, "customer"),
    Route("POST", "/language", choose_language, "anyone"),
    Route("GET", "/credit", credit.credit_page, "customer"),
    Route("GET", "/top-up", credit.confirm_page, "customer"),
    Route("POST", "/top-up", credit.confirm, "customer"),
    Route("GET", "/top-ups/{invoice}", credit.topped_up_page, "customer"),
    Route("GET", "/calls", calls.calls_page, "customer"),
    Route("GET", "/calls.csv", calls.calls_csv_file, "customer"),
    Route("GET", "/account", signing_in.account_page, "customer"),
    Route("POST", "/account", signing_in.change_password, "customer"),
    Route("GET", "/static/{name}", static, "anyone"),
)
