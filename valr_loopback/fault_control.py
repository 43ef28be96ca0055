"""Control routes for faults: what is in force, something else in force, nothing in force. Ours, not VALR's."""

import orjson

from valr_loopback.fault_files import FaultError, read_faults
from valr_loopback.faults import ArmedFault, FaultPlan
from valr_loopback.messages import Json
from valr_loopback.rest import Answer, Call, Route, answer, ok

PATH = "/loopback/faults"


def fault_routes(plan: FaultPlan) -> tuple[Route, ...]:
    """Return GET, PUT (whose body is the fault file as JSON) and DELETE of the plan."""

    async def show(call: Call) -> Answer:
        return ok(_report(plan))

    async def replace(call: Call) -> Answer:
        try:
            faults = read_faults(orjson.loads(call.body))
        except orjson.JSONDecodeError as error:
            return answer(400, {"message": f"the body is not JSON: {error}"})
        except FaultError as error:
            return answer(400, {"message": str(error)})
        plan.replace(faults)
        return ok(_report(plan))

    async def lift(call: Call) -> Answer:
        plan.clear()
        return ok(_report(plan))

    return Route("GET", PATH, show), Route("PUT", PATH, replace), Route("DELETE", PATH, lift)


def _report(plan: FaultPlan) -> Json:
    """Return the plan and how often each fault struck, and each kind since the exchange started."""
    return {
        "faults": [_row(armed) for armed in plan],
        "struck": {kind.value: count for kind, count in sorted(plan.struck.items())},
    }


def _row(armed: ArmedFault) -> Json:
    options = armed.fault.model_dump(mode="json", exclude_defaults=True)
    return options | {"opportunities": armed.opportunities, "struck": armed.struck}
