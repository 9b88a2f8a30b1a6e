import type { JoinOptions } from '../store/ceremony.ts'

/** Passes on each line of progress when it says something else than the last one of its place. */
export const eachOnce = (progress: JoinOptions['progress']): JoinOptions['progress'] => {
  const last = new Map<string, string>()
  return (event) => {
    const key = `${event.phase}|${'site' in event ? event.site : ''}${'step' in event ? event.step : ''}${'round' in event ? event.round : ''}`
    const text = JSON.stringify(event)
    if (last.get(key) === text) return
    last.set(key, text)
    progress(event)
  }
}
