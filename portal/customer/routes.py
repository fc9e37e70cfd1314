"""Every address of the portal, and who may come there."""

from portal.customer import billing, information, notices, services, signing_in
from portal.forms import choose_language
from portal.routing import Route
from portal.sessions import logout
from portal.static_files import static

ROUTES = (
    Route("GET", "/login", signing_in.login_page, "anyone"),
    Route("POST", "/login", signing_in.login, "anyone"),
    Route("POST", "/logout", logout, "customer"),
    Route("POST", "/language", choose_language, "anyone"),
    Route("GET", "/forgot", signing_in.forgot_page, "anyone"),
    Route("POST", "/forgot", signing_in.forgot, "anyone"),
    Route("GET", "/reset", signing_in.reset_page, "anyone"),
    Route("POST", "/reset", signing_in.reset, "anyone"),
    Route("GET", "/confirm-email", information.confirm_page, "anyone"),
    Route("POST", "/confirm-email", information.confirm, "anyone"),
    Route("GET", "/", information.information, "customer"),
    Route("GET", "/contacts", information.contacts_page, "customer"),
    Route("POST", "/contacts", information.change_contacts, "customer"),
    Route("GET", "/request", information.request_page, "customer"),
    Route("POST", "/request", information.request_change, "customer"),
    Route("GET", "/services", services.services, "customer"),
    Route("GET", "/services/{id}/data", services.usage_page, "customer"),
    Route("GET", "/services/{id}/data.csv", services.usage_csv, "customer"),
    Route("GET", "/billing", billing.billing, "customer"),
    Route("GET", r"/billing/{number}.{kind:pdf|isdoc}", billing.document, "customer"),
    Route("GET", "/paid", billing.paid_page, "customer"),
    Route("POST", "/extension", billing.ask_extension, "customer"),
    Route("GET", "/notices", notices.notices, "customer"),
    Route("GET", "/account", signing_in.account_page, "customer"),
    Route("POST", "/password", signing_in.change_password, "customer"),
    Route("POST", "/sessions/end", signing_in.end_others, "customer"),
    Route("GET", "/static/{name}", static, "anyone"),
)
