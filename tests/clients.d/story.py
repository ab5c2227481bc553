"""The story of the marketplace, with openapi-python-client."""
import email
import email.policy
import io
import os
import pathlib
import re
import time
import uuid
from typing import TypeVar

from marketplace_client import AuthenticatedClient, Client
from marketplace_client.api.admin_kyc import approve_attempt, claim_attempt, list_attempts
from marketplace_client.api.auth import log_in, log_out, sign_up, verify_email
from marketplace_client.api.jobs import (
    accept_offer,
    complete_job,
    create_job,
    finalize_job,
    list_job_history,
    make_offer,
    request_job_changes,
)
from marketplace_client.api.market import get_client, get_picture, list_services
from marketplace_client.api.me import (
    add_favorite,
    get_me,
    list_favorites,
    set_picture,
    submit_kyc,
    update_worker_profile,
)
from marketplace_client.api.reviews import create_review, get_worker_rating, reply_to_review, update_review
from marketplace_client.api.services import create_service, publish_service, update_service
from marketplace_client.api.threads import (
    download_attachment,
    list_messages,
    mark_thread_read,
    open_thread,
    send_message,
    upload_attachment,
)
from marketplace_client.models import (
    AcceptOffer,
    AttachmentForm,
    ChangeRequest,
    CounterOffer,
    Credentials,
    DecisionInput,
    DocumentType,
    ErrorCode,
    JobStatus,
    KycStatus,
    GetPictureSize,
    Money,
    NewJob,
    NewMessage,
    NewReply,
    NewReview,
    NewService,
    Offer,
    OpenThread,
    Problem,
    ReadInput,
    SignUp,
    SubmissionForm,
    TokenInput,
    Tokens,
    TraderRole,
    UpdateReview,
    UpdateService,
    UpdateWorkerProfile,
)
from marketplace_client.types import File

BASE = os.environ["BASE"]
PASSWORD = "a long pass phrase for stories"
PICTURE = pathlib.Path(os.environ["PICTURE"]).read_bytes()
Success = TypeVar("Success")
NOBODY = Client(base_url=BASE, raise_on_unexpected_status=True)


def ok(answer: Success | Problem | None) -> Success:
    """Returns a success."""
    assert answer is not None and not isinstance(answer, Problem), answer
    return answer


def done(answer: object) -> None:
    """Checks that a call without an answer succeeded."""
    assert not isinstance(answer, Problem), answer


def file() -> File:
    return File(payload=io.BytesIO(PICTURE), file_name="picture.png", mime_type="image/png")


def mailed_token(address: str) -> str:
    for _ in range(300):
        for path in pathlib.Path(os.environ["MAIL"]).glob("*.eml"):
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            body = mail.get_body(("plain",))
            found = re.search(r"token=([\w.-]+)", body.get_content()) if body else None
            if found and address in str(mail["to"]):
                return found.group(1)
        time.sleep(0.1)
    raise AssertionError(f"no mail to {address}")


def person(role: TraderRole, name: str) -> AuthenticatedClient:
    address = f"{name}.{uuid.uuid4()}@example.org"
    done(sign_up.sync(client=NOBODY, body=SignUp(role=role, email=address, password=PASSWORD, name=name)))
    done(verify_email.sync(client=NOBODY, body=TokenInput(token=mailed_token(address))))
    session = ok(log_in.sync(client=NOBODY, body=Credentials(email=address, password=PASSWORD)))
    assert isinstance(session, Tokens)
    return signed_in(session.access_token)


def signed_in(token: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=BASE, token=token, raise_on_unexpected_status=True)


worker = person(TraderRole.WORKER, "ada")
client = person(TraderRole.CLIENT, "jon")
admin = signed_in(os.environ["ADMIN_TOKEN"])

# A profile: what is left out stays, and an empty patch changes nothing.
begun = UpdateWorkerProfile(headline="Piano teacher", skills=["piano"])
profile = ok(update_worker_profile.sync(client=worker, body=begun))
same = ok(update_worker_profile.sync(client=worker, body=UpdateWorkerProfile()))
assert (same.version, same.skills) == (profile.version, ["piano"])
face = ok(set_picture.sync(client=worker, body=file()))

# Who one is.
papers = SubmissionForm(document_type=DocumentType.PASSPORT, document=file(), selfie=file())
ok(submit_kyc.sync(client=worker, body=papers))
me = ok(get_me.sync(client=worker))
attempt = ok(list_attempts.sync(client=admin, user_id=me.id)).items[0]
assert ok(claim_attempt.sync(attempt.id, client=admin)).changed
decided = ok(approve_attempt.sync(attempt.id, client=admin, body=DecisionInput()))
assert decided.item.attempt.status is KycStatus.APPROVED
for _ in range(100):
    if ok(get_me.sync(client=worker)).kyc_status is KycStatus.APPROVED:
        break
    time.sleep(0.3)
seen = ok(get_picture.sync(face.id, client=client, size=GetPictureSize.THUMB))
assert len(seen.payload.read()) > 100

# A service.
draft = ok(
    create_service.sync(
        client=worker,
        idempotency_key=str(uuid.uuid4()),
        body=NewService(
            title="Piano lessons",
            category="music",
            price=Money(amount=4_000, currency="EUR"),
            location="Lisbon",
        ),
    )
)
service = ok(update_service.sync(draft.id, client=worker, body=UpdateService(title="Piano for beginners")))
assert isinstance(service.price, Money) and (service.price.amount, service.location) == (4_000, "Lisbon")
service = ok(update_service.sync(draft.id, client=worker, body=UpdateService(location=None)))
assert service.location == ""
ok(publish_service.sync(draft.id, client=worker))
found = ok(list_services.sync(client=NOBODY, q="piano", category="music", limit=200))
assert any(card.id == draft.id for card in found.items)
done(add_favorite.sync(me.id, client=client))
assert ok(list_favorites.sync(client=client)).items[0].headline == "Piano teacher"

# A conversation.
thread = ok(open_thread.sync(client=client, body=OpenThread(service_id=draft.id)))
attached = ok(upload_attachment.sync(thread.id, client=client, body=AttachmentForm(file=file())))
words = NewMessage(client_msg_id="1", content="Good morning", attachments=[attached.id])
message = ok(send_message.sync(thread.id, client=client, body=words))
assert "Good morning" in [one.content for one in ok(list_messages.sync(thread.id, client=worker)).items]
ok(mark_thread_read.sync(thread.id, client=worker, body=ReadInput(seq=message.seq)))
assert len(ok(download_attachment.sync(thread.id, attached.id, client=worker)).payload.read()) > 100


# A job.
def offer(amount: int) -> Offer:
    return Offer(price=Money(amount=amount, currency="EUR"), schedule="Mondays at five", scope="Ten lessons")


job = ok(create_job.sync(client=client, body=NewJob(thread_id=thread.id, offer=offer(4_000)))).id
ok(make_offer.sync(job, client=worker, body=CounterOffer(revision=1, offer=offer(4_500))))
ok(accept_offer.sync(job, client=client, body=AcceptOffer(revision=2)))
ok(complete_job.sync(job, client=worker))
ok(request_job_changes.sync(job, client=client, body=ChangeRequest(comment="One more")))
ok(complete_job.sync(job, client=worker))
ended = ok(finalize_job.sync(job, client=client))
assert ended.status is JobStatus.FINALIZED and ended.worker.id == me.id
assert len(ok(list_job_history.sync(job, client=client)).items) == 7

# What the two say of each other.
review = ok(create_review.sync(job, client=client, body=NewReview(rating=4, text="Fine"))).id
ok(update_review.sync(review, client=client, body=UpdateReview(rating=5)))
ok(create_review.sync(job, client=worker, body=NewReview(rating=5)))
ok(reply_to_review.sync(review, client=worker, body=NewReply(text="Thank you")))
rating = ok(get_worker_rating.sync(me.id, client=NOBODY))
assert (rating.average, rating.count) == (5, 1)

# A refusal says what it is.
refused = get_client.sync(uuid.uuid4(), client=NOBODY)
assert isinstance(refused, Problem) and refused.code is ErrorCode.NOT_FOUND
done(log_out.sync(client=worker))
print("openapi-python-client: the whole story")
