-- The health of everything in landfall.dev, from its conditions: what `kubectl wait`, Flux and Helm go by, too.
-- A wait for something else (an approval, a maintenance window, an app's data) is Suspended; what needs a person is Degraded.
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready = conditions.Ready or {}
local message = ready.message or ""

if obj.kind == "Run" then
  local ended = { cut_over = true, rolled_back = true, cancelled = true }
  if ended[status.state or ""] then
    return { status = "Healthy", message = status.state }
  end
  return { status = "Progressing", message = status.state or "" }
end
if status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "the operator has not seen it yet" }
end
if obj.kind == "Release" and (status.phase == "Superseded" or status.phase == "RolledBack") then
  return { status = "Healthy", message = message }
end
if obj.kind == "Deployment" and ready.reason == "WaitingForData" and (conditions.Stalled or {}).status ~= "True" then
  return { status = "Suspended", message = message }
end
if (conditions.Reconciling or {}).status == "True" then
  return { status = "Progressing", message = message }
end
if (conditions.Stalled or {}).status == "True" then
  return { status = "Degraded", message = message }
end
if ready.status == "True" then
  return { status = "Healthy", message = message }
end
if ready.status == "False" then
  return { status = "Suspended", message = message }
end
return { status = "Progressing", message = message }
