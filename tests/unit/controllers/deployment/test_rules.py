"""The rules of a Deployment, row by row, and a life of it as a model: whatever happens, what serves goes on serving."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from landfall.api.annotations import DeployRequest
from landfall.controllers.cutover_gate import Gate
from landfall.controllers.deployment.observed import ObservedWorkload, PodReason
from landfall.controllers.deployment.rules import decide
from tests.support.deployments import DRAIN, OBSERVE, WARM, World


def live(commit: str = "1" * 40, replicas: int = 2) -> World:
    """A world where a first release serves, for long."""
    world = World(commit=commit, spec={"replicas": replicas})
    world.settle(200)
    assert world.service
    assert world.service.release == "shop-1"
    return world


def test_a_first_release_is_built_started_and_switched_to() -> None:
    world = World(spec={"replicas": 2})
    decision = world.settle(5)
    assert (decision.ready, decision.phase) == (("True", "Live"), "Live")
    assert world.releases["shop-1"].status.phase == "Live"
    assert world.workloads["shop-1"].ready == 2


def test_a_port_that_one_release_named_is_not_that_of_the_next() -> None:
    """They have one image; where it listens was found when it was built."""
    world = live()
    before = world.releases["shop-1"].port
    world.spec = {"replicas": 2, "runtime": {"port": 2}}
    world.settle(200)
    assert world.releases["shop-2"].port == 2
    world.spec = {"replicas": 2}
    world.settle(200)
    assert world.releases["shop-3"].port == before
    assert len(world.built) == 1


_NEW = ObservedWorkload("shop-1", 2, starting=True, running_seconds=4)


@pytest.mark.parametrize(
    ("running", "reason"),
    [
        (_NEW, "Starting"),
        (ObservedWorkload("shop-1", 0), "Starting"),
        (replace(_NEW, problem=(PodReason.NOT_LISTENING, "nothing listens yet")), "Starting"),
        (replace(_NEW, running_seconds=10_000), "NotServing"),
        (replace(_NEW, problem=(PodReason.IMAGE_PULL_FAILED, "no such image")), "NotServing"),
        (replace(_NEW, starting=False), "NotServing"),
        (replace(_NEW, ready=1), "Live"),
    ],
)
@pytest.mark.parametrize("observed", [False, True])
def test_pods_that_have_only_just_come_are_waited_for(running: ObservedWorkload, reason: str, *, observed: bool) -> None:
    """As after it was scaled to none and up again: nothing is wrong yet, and nothing is gone back from."""
    world = live()
    observation = world.look()
    assert observation.service
    switched = world.now if observed and reason != "NotServing" else observation.service.switched_at
    decision = decide(
        replace(observation, workloads={"shop-1": running}, service=replace(observation.service, switched_at=switched))
    )
    assert (decision.ready[1], decision.working, decision.stalled) == (reason, reason == "Starting", reason == "NotServing")


def test_a_change_goes_live_and_the_old_one_is_drained_then_warm_then_cold() -> None:
    world = live()
    world.commit = "2" * 40
    world.settle(3)
    assert world.service
    assert world.service.release == "shop-2"
    switched = world.service.switched_at
    assert switched
    assert world.workloads["shop-1"].ready == 2
    assert world.workloads["shop-1"].refreshed == ""
    while world.now < switched + timedelta(seconds=DRAIN + 10):
        world.settle(1)
    assert world.workloads["shop-1"].refreshed
    assert world.workloads["shop-1"].ready == 2
    while world.now < switched + timedelta(seconds=DRAIN + WARM + 10):
        world.settle(1)
    assert world.workloads["shop-1"].wanted == 0
    assert world.releases["shop-1"].status.phase == "Superseded"


def test_a_build_that_fails_touches_nothing() -> None:
    world = live()
    world.commit = "2" * 40
    world.turn()
    world.turn()
    world.build_ends("bad")
    decision = world.turn()
    assert decision.stalled
    assert decision.ready == ("False", "BuildFailed")
    assert "shop-1 stays live" in decision.message
    assert ("Available", ("True", "Serving")) in decision.facts


def _starting() -> World:
    """The second release is built, and its pods are asked for."""
    world = live()
    world.commit = "2" * 40
    for _ in range(3):
        world.turn()
        world.build_ends("good")
    return world


def test_pods_that_do_not_come_up_fail_the_release_in_time() -> None:
    world = _starting()
    world.workloads["shop-2"].ails = (PodReason.NOT_LISTENING, "nothing listens on port 3000")
    messages = []
    for _ in range(62):
        world.now += timedelta(seconds=5)
        decision = world.turn()
        messages += [decision.message] if decision.stalled else []
    assert decision.ready == ("False", "NotListening")
    assert messages
    assert all("shop-1 stays live" in message for message in messages), "from the first moment on"
    assert world.service
    assert world.service.release == "shop-1"
    assert world.workloads["shop-2"].wanted == 0


def test_a_kubelet_may_get_over_what_it_stumbles_on() -> None:
    world = _starting()
    world.workloads["shop-2"].ails = ("ContainerRefused", "failed to sync secret cache")
    world.turn()
    assert not world.releases["shop-2"].status.failure
    for _ in range(8):
        world.now += timedelta(seconds=5)
        decision = world.turn()
    assert decision.ready == ("False", "ContainerRefused"), "and if it does not, that is told"


def test_a_release_that_dies_while_it_is_observed_is_left_by_itself() -> None:
    world = live()
    world.commit = "2" * 40
    world.settle(3)
    assert world.service
    assert world.service.release == "shop-2"
    world.workloads["shop-2"].crashed = True
    world.turn()
    world.turn()
    assert world.service.release == "shop-1"
    decision = world.settle(3)
    assert decision.ready == ("False", "CrashLoop")
    assert "shop-1 stays live" in decision.message
    assert world.releases["shop-2"].status.phase == "RolledBack"
    world.commit = "3" * 40
    assert world.settle(6).ready == ("True", "Live")


def test_a_rollback_to_a_warm_release_is_one_record_and_one_switch() -> None:
    world = live()
    world.commit = "2" * 40
    world.settle(20)
    world.spec["rollbackTo"] = {"release": "shop-1"}
    world.turn()
    world.turn()
    assert world.service
    assert (world.service.release, world.service.workload) == ("shop-3", "shop-1")
    assert world.built == [world.releases["shop-1"].spec.build_key, world.releases["shop-2"].spec.build_key]
    phases = []
    for _ in range(3):
        world.turn()
        phases.append(world.releases["shop-2"].status.phase)
    assert set(phases) == {"RolledBack"}, "the release that is rolled back has this phase from the first moment"
    decision = world.settle(30)
    assert decision.ready == ("True", "RolledBack")
    assert world.workloads["shop-2"].wanted == 0, "what was gone back from is not kept warm"
    world.commit = "3" * 40
    world.settle(30)
    assert world.service.release == "shop-3", "nothing newer goes live while rollbackTo is set"
    world.spec.pop("rollbackTo")
    world.settle(30)
    assert world.releases[world.service.release].spec.commit == "3" * 40


def test_a_rollback_goes_only_to_what_was_live() -> None:
    world = live()
    world.commit = "2" * 40
    world.turn()
    world.turn()
    world.build_ends("bad")
    world.turn()
    world.spec["rollbackTo"] = {"revision": 2}
    assert world.turn().ready == ("False", "RollbackTargetNeverLive")
    world.spec["rollbackTo"] = {"revision": 9}
    assert world.turn().ready == ("False", "RollbackTargetMissing")
    assert world.service
    assert world.service.release == "shop-1"


def test_a_reverted_commit_builds_nothing() -> None:
    world = live()
    world.commit = "2" * 40
    world.settle(20)
    world.commit = "1" * 40
    world.settle(20)
    assert world.service
    assert world.service.release == "shop-3"
    assert len(world.built) == 2


def test_a_request_is_for_one_release() -> None:
    world = live()
    world.request = DeployRequest.model_validate({"id": "7", "verb": "deploy", "env": [{"name": "A", "value": "1"}]})
    world.settle(10)
    assert world.service
    assert world.releases[world.service.release].spec.trigger == "request 7"
    assert world.handled == "7"
    assert len(world.releases) == 2
    world.commit = "2" * 40
    world.settle(10)
    assert world.releases[world.service.release].spec.trigger == "generation 1"


def test_requests_that_wait_are_all_carried_out_in_their_order() -> None:
    world = live()
    requests = [{"id": str(n), "verb": "deploy", "env": [{"name": "A", "value": str(n)}]} for n in range(4)]
    world.queue = tuple(DeployRequest.model_validate(request_fields) for request_fields in requests)
    world.settle(30)
    triggers = [r.spec.trigger for r in sorted(world.releases.values(), key=lambda r: r.spec.revision)]
    assert triggers[1:] == [f"request {n}" for n in range(4)]
    assert world.service
    assert (world.releases[world.service.release].spec.trigger, world.handled) == ("request 3", "3")
    world.queue = world.queue[2:]
    world.settle(10)
    assert len(world.releases) == len(triggers), "what is handled is handled once, also after others were taken out"


def test_a_deploy_of_a_wrong_commit_that_is_taken_back_leaves_nothing_stalled() -> None:
    world = live()
    world.request = DeployRequest.model_validate({"id": "7", "verb": "deploy", "commit": "dead" * 10})
    world.turn()
    world.turn()
    world.build_ends("bad")
    assert world.turn().stalled
    world.spec["rollbackTo"] = {"release": "shop-1"}
    world.settle(10)
    del world.spec["rollbackTo"]
    decision = world.settle(10)
    assert (decision.stalled, decision.ready) == (False, ("True", "Live")), decision
    assert world.service
    assert world.service.release == "shop-1"


def test_a_hold_freezes_what_is_on_its_way() -> None:
    world = live()
    world.hold, world.commit = "audit", "2" * 40
    decision = world.settle(10)
    assert decision.ready == ("True", "Paused")
    assert len(world.releases) == 1
    world.hold = ""
    world.settle(10)
    assert world.service
    assert world.service.release == "shop-2"


def test_scaling_makes_no_release() -> None:
    world = live(replicas=2)
    world.spec["replicas"] = 5
    world.settle(3)
    assert (len(world.releases), world.workloads["shop-1"].ready) == (1, 5)
    world.spec["replicas"] = 0
    assert world.settle(3).ready == ("True", "Live")
    assert world.workloads["shop-1"].wanted == 0


def test_a_service_that_somebody_turned_elsewhere_is_turned_back() -> None:
    world = live()
    world.commit = "2" * 40
    world.settle(20)
    assert world.service
    world.service = replace(world.service, workload="shop-1")
    world.turn()
    assert (world.service.workload, world.service.release, world.service.previous) == ("shop-2", "shop-2", "shop-1")


def test_a_lost_builder_is_tried_again_and_at_last_given_up() -> None:
    world = World()
    for _ in range(30):
        decision = world.turn()
        world.build_ends("lost")
    assert decision.ready == ("False", "BuildFailed")
    assert len(world.built) == 5


def test_a_release_waits_at_the_gate_for_its_data_and_goes_with_it() -> None:
    world = live()
    world.gate = Gate("move", "move-1", "Building")
    world.commit = "2" * 40
    decision = world.settle(20)
    assert decision.ready == ("False", "WaitingForData")
    assert "Migration move" in decision.message
    assert set(world.workloads) == {"shop-1"}, "not started before its data is there"
    world.gate = Gate("move", "move-1", "Starting")
    world.settle(3)
    assert world.service
    assert world.service.release == "shop-2"
    world.gate = Gate("move", "move-1", "Live")
    world.settle(12)
    assert not world.workloads["shop-1"].wanted, "what the data has moved away from is ended after the drain, not kept warm"
    world.commit = "3" * 40
    world.settle(100)
    assert world.service.release == "shop-3"
    world.gate = Gate("move", "move-1", "RolledBack")
    decision = world.settle(20)
    assert world.service.release == "shop-1", "both releases that were made for the data go with it"
    assert decision.ready == ("False", "DataRolledBack")
    world.gate = Gate("move", "move-2", "Built")
    assert world.settle(5).ready == ("False", "WaitingForData"), "another move, another release"
    world.gate = Gate("move", "move-2", "Starting")
    world.settle(5)
    assert world.service.release == "shop-4"
    assert world.releases["shop-4"].spec.commit == "3" * 40
    assert len(world.built) == 3, "its image is there already"


def test_a_release_goes_with_the_data_of_the_move_that_it_went_live_with() -> None:
    world = live()
    world.gate = Gate("move", "move-1", "Starting")
    world.commit = "2" * 40
    for _ in range(3):
        world.turn()
        world.build_ends("good")
    world.gate = Gate("move", "move-2", "Building")
    assert world.turn().ready == ("False", "WaitingForData"), "the first move was given up while its pods came up"
    world.gate = Gate("move", "move-2", "Starting")
    world.settle(5)
    assert world.service
    assert world.service.release == "shop-2"
    world.gate = Gate("move", "move-2", "RolledBack")
    assert world.settle(20).ready == ("False", "DataRolledBack")
    assert world.service.release == "shop-1"


def test_the_history_is_kept_short() -> None:
    world = World(spec={"releaseHistoryLimit": 2})
    for number in range(1, 9):
        world.commit = str(number) * 40
        world.settle(100)
    assert set(world.releases) == {"shop-8", "shop-7", "shop-6", "shop-5"}
    assert set(world.workloads) == set(world.releases)


class Life(RuleBasedStateMachine):
    """A Deployment among people who change their minds, builders that are lost, pods that do not come up, and an operator that dies."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(spec={"replicas": 1})
        self.requests = 0

    @rule(times=st.integers(1, 4), killed=st.booleans())
    def turns(self, times: int, killed: bool) -> None:  # noqa: FBT001  hypothesis'
        """The operator looks a few times."""
        for _ in range(times):
            self.world.turn(killed=killed)

    @rule(digit=st.sampled_from("1234"))
    def pushes(self, digit: str) -> None:
        """A developer pushes, forwards or back."""
        self.world.commit = digit * 40

    @rule(count=st.integers(0, 3))
    def scales(self, count: int) -> None:
        """More or fewer pods."""
        self.world.spec["replicas"] = count

    @rule(number=st.integers(1, 6))
    def goes_back(self, number: int) -> None:
        """RollbackTo is set."""
        self.world.spec["rollbackTo"] = {"revision": number}

    @rule()
    def moves_on(self) -> None:
        """RollbackTo is removed."""
        self.world.spec.pop("rollbackTo", None)

    @rule(is_held=st.booleans())
    def holds(self, is_held: bool) -> None:  # noqa: FBT001  hypothesis'
        """The annotation comes and goes."""
        self.world.hold = "x" if is_held else ""

    @rule()
    def asks(self) -> None:
        """A request."""
        self.requests += 1
        self.world.request = DeployRequest.model_validate({"id": str(self.requests), "verb": "deploy"})

    @rule(outcome=st.sampled_from(["good", "good", "bad", "lost"]))
    def builds(self, outcome: str) -> None:
        """Builders end."""
        self.world.build_ends(outcome)

    @rule()
    def pods(self) -> None:
        """Pods come up."""
        self.world.pods_come_up()

    @precondition(lambda self: self.world.workloads)
    @rule(pick=st.integers(0, 20), event=st.sampled_from(["ails", "crashes", "heals"]))
    def falls_ill(self, pick: int, event: str) -> None:
        """Pods fail, crash, or recover."""
        name = sorted(self.world.workloads)[pick % len(self.world.workloads)]
        pods = self.world.workloads[name]
        pods.crashed = event == "crashes"
        pods.ails = (PodReason.CRASH_LOOP, "x") if event == "ails" else None
        if event == "ails":
            pods.ready = 0

    @rule(seconds=st.sampled_from([1, 10, 60, 400]))
    def time_passes(self, seconds: int) -> None:
        """The clock goes on."""
        self.world.now += timedelta(seconds=seconds)

    @rule(run=st.sampled_from("ab"), state=st.sampled_from(["", "Built", "Starting", "Live", "RolledBack"]))
    def moves_data(self, run: str, state: str) -> None:
        """A Migration moves data along, and perhaps takes it back."""
        self.world.gate = Gate("shop", run, state)

    @invariant()
    def what_serves_is_not_taken_away(self) -> None:
        """The live release, and what runs it, is there."""
        world = self.world
        if world.service:
            assert world.service.release in world.releases
            assert world.service.workload in world.workloads

    @invariant()
    def not_too_many_run(self) -> None:
        """The history is bounded."""
        assert len(self.world.workloads) <= len(self.world.releases) <= 16 + 4

    def teardown(self) -> None:
        """In the end it settles: as asked where that can be, and otherwise it says what a person has to do."""
        world = self.world
        world.hold = ""
        if world.gate and not world.gate.rolled_back:
            world.gate = replace(world.gate, state="Live")
        for pods in world.workloads.values():
            pods.ails, pods.crashed = None, False
        decision = world.settle(300)
        assert decision.action is None, decision
        assert decision.stalled or decision.ready[0] == "True", decision
        if world.gate and world.gate.rolled_back and world.service:
            failed_status = world.releases[world.service.release].status
            assert failed_status.gate != world.gate.run or failed_status.failure, (
                "what was made for data that went back is known to have failed"
            )
        elif decision.ready == ("True", "Live") and not world.request:
            assert world.service
            assert world.releases[world.service.release].spec.commit == world.commit
        running = [n for n, p in world.workloads.items() if p.wanted]
        assert len(running) <= 1, running
        assert not [r.name for r in world.releases.values() if r.job and not r.job.over]


LifeTest = Life.TestCase
LifeTest.settings = settings(stateful_step_count=40)
assert OBSERVE < WARM
