"""Checks that verified transactions tell one request's life to its end (docs/spec/contracts.md, "The chain of a request").

Numbers in comments are those of that page's list.
"""

from types import SimpleNamespace

from cbor import dumps
from strict import (ML_DSA_KEY, ML_DSA_SIGNATURE, Either, Refused, check, decoded, labelled_hash, prefix, verify,
                    verify_ml_dsa)

U8, U16, U32 = range(1 << 8), range(1 << 16), range(1 << 32)
SUITE, RELEASE, GRANT_SKEW = {0x647A, 0x0020, 0x0010}, (0,), 2000
RECIPIENT = Either(({0x647A}, 1216), ({0x0020}, 32), ({0x0010}, 65))
NOTICE = {"at": int, "subject": str, "members": [str], "request": Either(None, 32), "detail": str}
TERMS = {"asset": 32, "means": ({0, 1},), "visibility": Either(({0, 2},), ({1}, [str])), "purposes": [str],
         "window": (int, int), "approvals": {"required": U8, "approvers": [32]}, "evidence": [(str, str)],
         "grant": {"seconds": U32, "uses": U8}, "program": Either(None, bytes), "minimum_group": U32, "adversary": ({0, 1, 2},),
         "max_corrupt": U8, "tolerate_dropouts": U8, "helpers": [str], "fee": None, "privacy_budget": None, "policy": 32, "particulars": 32}
DISCLOSED = {"disclosed": (32, (str, str, str, Either(None, U32), [str]))}
TERMS = Either(TERMS, TERMS | DISCLOSED)
VERDICT = {"chain": 32, "epoch": int, "request": 32,
           "contracts": [{"contract": (32, U32), "terms": 32, "policy": 32, "approvals": [32]}],
           "appraisals": [(str, 32, [str], str, str)], "decision": str, "owner_asserted": [str],
           "decided": int, "not_after": int}
ARGUMENTS = {
    "assets.register": {"name": str, "kind": str, "columns": [str], "commitments": [(str, bytes, 32)], "segments": int,
                        "suite": SUITE},
    "contracts.offer": {"terms": TERMS},
    "contracts.amend": {"contract": 32, "terms": TERMS},
    "signers.register": Either({"key": ML_DSA_KEY, "possession": ML_DSA_SIGNATURE},
                               {"key": ML_DSA_KEY, "possession": ML_DSA_SIGNATURE, "handover": ML_DSA_SIGNATURE}),
    "oracles.confirm": {"epoch": int, "threshold": U16, "participants": [str], "key": 32, "group": bytes},
    "requests.apply": {"contracts": [(32, U32)], "purpose": str, "ephemeral": RECIPIENT, "justification": 32,
                       "evidence": [(str, 32)]},
    "requests.approve": {"request": 32, "contract": 32, "approve": bool},
    "requests.decline": {"request": 32, "contract": 32, "code": str},
    "requests.cancel": {"request": 32},
    "verdicts.record": {"verdict": VERDICT, "signature": 64, "signers": [str]},
    "grants.issue": {"request": 32, "contract": 32, "not_before": int, "not_after": int},
    "grants.revoke": {"grant": 32},
    "releases.record": {"grant": 32, "root": 32, "stanzas": 32, "suite": SUITE, "possession": 64, "signed": int},
    "results.record": {"request": 32, "party": str, "run": 16, "session": 32, "protocol": str, "adversary": str, "parties": [str],
                       "program": 32, "share": 32, "transcript": 32, "simulated": bool},
}
# How many fields the arguments have without a second signature (docs/spec/signers.md), of what can be in a chain.
SIGNED_TWICE = {"contracts.offer": 1, "contracts.amend": 2, "requests.apply": 5, "requests.approve": 3}
MAY_BE_REFUSED = ("requests.apply", "requests.approve", "requests.cancel", "verdicts.record", "grants.issue", "releases.record",
                  "results.record")


def split(method: str, arguments: bytes):
    """(the arguments without the second signature, that or none): an array with one more field, which is its bytes."""
    fields, rest = SIGNED_TWICE.get(method), len(arguments) - ML_DSA_SIGNATURE
    if fields is None or rest < 4 or arguments[0] != 0x80 | fields + 1 or arguments[rest - 3:rest] != b"\x59\x0c\xed":
        return arguments, None
    return bytes([0x80 | fields]) + arguments[1:rest - 3], arguments[rest:]


def tell(entries: list, consortium: list):
    """Returns (kind, the request's entry) or refuses. Entries: index, id, sender, method, arguments, code, events."""
    story = Story(consortium)
    for entry in entries:
        known = entry.method in ARGUMENTS
        check(known, f"entry {entry.index} ({entry.method}) is no part of a request's life")
        try:
            plain, second = split(entry.method, entry.arguments)
            arguments = decoded(plain, ARGUMENTS[entry.method], "its arguments")
            if entry.code != "ok":
                check(entry is entries[-1], f"refused with {entry.code}, and not the last")
                story.refused(entry, arguments)
                continue
            check(story.end is None, "nothing follows the end but a refusal")
            check(bool(entry.events), "it has no event")
            notice = decoded(entry.events[0][1], NOTICE, "its first event")
            story.signed(entry, plain, second)
            getattr(story, entry.method.replace(".", "_"))(entry, arguments, notice)
        except Refused as error:
            raise Refused(f"entry {entry.index} ({entry.method}): {error}") from error
    check(all(signer.used for signer in story.signers.values()), "an ML-DSA key signs nothing of the chain")
    check(story.end is not None and story.request is not None, "the chain has no end")
    return story.end, story.request


class Story:
    """What the entries so far have told. Each method of a contract that has a place in a chain is a method here."""

    def __init__(self, consortium: list):
        _, _, self.chain, _, oracles = consortium
        self.oracles = {epoch: (threshold, participants, key) for epoch, threshold, participants, key in oracles}
        self.assets, self.versions, self.confirmed, self.signers = {}, {}, {}, {}
        self.request = self.verdict = self.grant = self.run = self.end = None
        self.named, self.approvals, self.results = {}, {}, set()

    # 11
    def signed(self, entry, plain, second):
        if entry.method not in SIGNED_TWICE:
            return
        signer = self.signers.get(entry.sender)
        check((signer is None) == (second is None), "it has one signature of two, or a second one whose key is not registered above")
        if signer is not None:
            its = entry.transaction
            statement = dumps([its.chain, its.sender, its.nonce, its.expires, its.contract, its.method, plain])
            verify_ml_dsa(signer.key, "contract", statement, second, "the second signature")
            signer.used = True

    def signers_register(self, entry, its, _):
        statement, before = dumps([self.chain, entry.sender, its.key]), self.signers.get(entry.sender)
        verify_ml_dsa(its.key, "signer", statement, its.possession, "the ML-DSA key's possession")
        if before is not None:
            check(before.used, "the ML-DSA key before signs nothing of the chain")
            check(hasattr(its, "handover"), "the ML-DSA key before has not handed over")
            verify_ml_dsa(before.key, "signer", statement, its.handover, "the handing over")
        self.signers[entry.sender] = SimpleNamespace(key=its.key, used=False)

    # 1
    def assets_register(self, entry, its, notice):
        check(self.request is None, "registered after the request")
        check(len(notice.members) == 1, "not one owner")
        asset = labelled_hash("asset", self.chain, notice.members[0].encode(), its.name.encode())
        check(notice.subject == asset.hex(), "its identity is not made of chain, owner and name")
        roots = [root for _, _, root in its.commitments]
        self.assets[asset] = SimpleNamespace(owner=notice.members[0], node=entry.sender, roots=roots)

    # 2
    def contracts_offer(self, entry, its, _):
        self.version(entry.id, 1, its.terms)

    def contracts_amend(self, entry, its, notice):
        check((its.contract, 1) in self.versions, "it does not follow its offer")
        check(notice.detail.isascii() and notice.detail.isdecimal() and len(notice.detail) <= 10, "no version in its event")
        self.version(its.contract, int(notice.detail), its.terms)

    def version(self, contract, number, terms):
        check(self.request is None, "offered after the request")
        check(terms.asset in self.assets, "its asset is not registered above")
        self.versions[contract, number] = terms

    def no_strangers(self, contracts):
        check(all(contract in dict(contracts) for contract, _ in self.versions), "a contract above is not the request's")
        needed = {terms.asset for terms in self.versions.values()}
        check(needed == set(self.assets), "an asset above is not the request's")

    # 3
    def oracles_confirm(self, _, its, notice):
        pinned = self.oracles.get(its.epoch) == (its.threshold, its.participants, its.key)
        check(pinned, "the oracles are not those of the consortium file")
        check(len(notice.members) == 1, "not one member")
        self.confirmed.setdefault(its.epoch, set()).add(notice.members[0])

    # 4
    def requests_apply(self, entry, its, _):
        check(self.request is None, "a second request")
        for version in its.contracts:
            check(version in self.versions, "a contract at its version is not above")
            check(its.purpose in self.versions[version].purposes, "a contract does not allow the purpose")
        self.no_strangers(its.contracts)
        self.request, self.apply = entry, its
        self.named = {contract: self.versions[contract, number] for contract, number in its.contracts}

    def about(self, request, contract=None):
        """Checks that it is about this request and, if given, one of its contracts; returns that contract's terms and asset."""
        check(self.request is not None and self.request.id == request, "it is not about this request")
        if contract is not None:
            check(contract in self.named, "it is not about a contract of this request")
            return self.named[contract], self.assets[self.named[contract].asset]

    # 5
    def requests_approve(self, entry, its, _):
        terms, _ = self.about(its.request, its.contract)
        check(self.verdict is None, "an approval after the verdict")
        check(entry.sender in terms.approvals.approvers, "the sender is no approver of the contract")
        check((its.contract, entry.sender) not in self.approvals, "a second vote")
        self.approvals[its.contract, entry.sender] = its.approve
        if not its.approve:
            self.end = "refused (objected)"

    # 6
    def verdicts_record(self, _, its, __):
        verdict = its.verdict
        self.about(verdict.request)
        check(self.verdict is None, "a second verdict")
        check(verdict.chain == self.chain, "the verdict is for another chain")
        check(verdict.epoch in self.oracles, "the oracles' epoch is not pinned")
        threshold, participants, key = self.oracles[verdict.epoch]
        verify(key, prefix("verdict") + verdict.cbor, its.signature, "the verdict's signature")
        signers = set(its.signers)
        check(len(signers) == len(its.signers) >= threshold and signers <= set(participants), "the signers are no quorum")
        check(list(self.confirmed) == [verdict.epoch], "confirmations of this epoch, and of no other, are not above")
        check(set(participants) <= self.confirmed[verdict.epoch], "an oracle's confirmation is not above")
        check([judged.contract for judged in verdict.contracts] == self.apply.contracts, "it judges other contracts")
        check([appraisal[:2] for appraisal in verdict.appraisals] == self.apply.evidence, "it appraises other evidence")
        for judged in verdict.contracts:
            terms = self.versions[judged.contract]
            same = judged.terms == labelled_hash("terms", terms.cbor) and judged.policy == terms.policy
            check(same, "it judged other terms or another policy")
            counted = set(judged.approvals)
            check(len(counted) == len(judged.approvals), "an approval is counted twice")
            check(all(self.approvals.get((judged.contract[0], key)) is True for key in counted), "an approval was not given")
            check(verdict.decision != "ok" or len(counted) >= terms.approvals.required, "too few approvals")
        self.verdict = verdict
        if verdict.decision != "ok":
            self.end = f"refused ({verdict.decision})"

    # 7
    def grants_issue(self, entry, its, _):
        terms, asset = self.about(its.request, its.contract)
        check(self.verdict is not None and self.grant is None, "it does not follow the verdict, or is a second grant")
        check(entry.sender == asset.node, "the sender is not the owner's node")
        check(terms.means == RELEASE, "a grant without a release")
        check(0 < its.not_after - its.not_before <= 1000 * terms.grant.seconds + GRANT_SKEW, "it is longer than the terms allow")
        check(its.not_after <= self.verdict.not_after, "it outlives the verdict")
        self.grant, self.granted = entry.id, its

    def releases_record(self, entry, its, notice):
        check(self.grant is not None and its.grant == self.grant, "it redeems another grant")
        _, asset = self.about(self.granted.request, self.granted.contract)
        check(entry.sender == asset.node, "the sender is not the owner's node")
        message = prefix("proof-of-possession") + self.chain + self.grant + its.signed.to_bytes(8, "big")
        verify(self.request.sender, message, its.possession, "the requester's possession")
        for moment in (its.signed, notice.at):
            check(self.granted.not_before <= moment <= self.granted.not_after, "redeemed outside the grant's window")
        check(its.root in asset.roots, "another object was released")
        check(its.suite == self.apply.ephemeral[0], "the suite is not that of the requester's key")
        self.end = "released"

    # 8
    def results_record(self, entry, its, notice):
        self.about(its.request)
        check(self.verdict is not None, "it does not follow the verdict")
        terms = [self.versions[contract] for contract in self.apply.contracts]
        owners = [self.assets[self.named[contract].asset] for contract, _ in self.apply.contracts]
        parties = [owner.owner for owner in owners] + terms[0].helpers
        check(its.parties == parties and its.party in parties, "the parties are not the owners and the helpers")
        place = parties.index(its.party)
        # An owner's node is known from its asset; that a helper's node sent this, the ledger says.
        check(place >= len(owners) or entry.sender == owners[place].node, "the sender is not the party's node")
        check(notice.detail == its.party, "the ledger says that another party sent it")
        name, adversary, enough = self.protocol(terms, len(parties))
        program = terms[0].program
        follows = (its.session == labelled_hash("session", self.request.id)
                   and program is not None and its.program == labelled_hash("program", program)
                   and (its.protocol, its.adversary, its.simulated) == (name, adversary, False)
                   and self.run in (None, its.run))
        check(follows, "session, run, program or protocol do not follow from the request")
        check(its.party not in self.results, "a party's second result")
        self.results.add(its.party)
        self.run = its.run
        if len(self.results) == enough:
            self.end = "computed"

    @staticmethod
    def protocol(terms, parties):
        """Name, adversary and how many results are enough, from the strictest of the contracts' threat models."""
        corrupt = max(one.max_corrupt for one in terms)
        dropouts = max(one.tolerate_dropouts for one in terms)
        malicious = any(one.adversary != (0,) for one in terms)
        if not malicious and dropouts == 0 and not terms[0].helpers and corrupt < parties:
            return "additive", "semi-honest", parties
        if parties == 3 and corrupt <= 1 and dropouts == 0:
            return "rep3", "malicious", parties
        check(parties > 2 * max(corrupt, 1) + dropouts, "no protocol withstands what the contracts assume")
        return "shamir", "malicious" if malicious else "semi-honest", parties - dropouts

    # 9
    def requests_decline(self, entry, its, _):
        _, asset = self.about(its.request, its.contract)
        check(entry.sender == asset.node, "the sender is not the owner's node")
        self.end = f"refused ({its.code})"

    def requests_cancel(self, entry, its, _):
        self.about(its.request)
        check(entry.sender == self.request.sender, "the sender is not the requester")
        self.end = "cancelled"

    def grants_revoke(self, _, its, __):
        check(self.grant is not None and its.grant == self.grant, "it revokes another grant")
        self.end = "refused (grant_revoked)"

    # 10
    def refused(self, entry, its):
        check(entry.method in MAY_BE_REFUSED, "a refused transaction of another kind")
        end = f"step refused ({entry.method}: {entry.code})"
        if entry.method == "requests.apply":
            check(self.request is None, "a second request")
            self.no_strangers(its.contracts)
            self.request, end = entry, f"refused ({entry.code})"
        elif entry.method == "verdicts.record":
            check(self.request is not None, "it does not follow its request")
        elif entry.method == "releases.record":
            check(self.grant is not None and its.grant == self.grant, "it redeems another grant")
        else:
            self.about(its.request)
        self.end = self.end or end
