// The `analytics_engine` binding: each data point becomes a line of the runtime's log, where none is lost or sampled.
export default function wrap({ settings }) {
  return {
    writeDataPoint(point) {
      console.log(JSON.stringify({ analytics_engine: settings.dataset, point: point ?? {} }));
    },
  };
}
