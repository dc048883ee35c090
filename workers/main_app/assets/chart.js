// Small line charts on canvas: prices by the second, or any series of readings.

/** The last values of a series, oldest overwritten. */
export class Series {
  #values;
  #next = 0;

  constructor(capacity) {
    this.#values = new Float64Array(capacity);
  }

  get length() {
    return Math.min(this.#next, this.#values.length);
  }

  push(value) {
    this.#values[this.#next % this.#values.length] = value;
    this.#next += 1;
  }

  /** Changes the newest value. */
  amend(value) {
    this.#values[(this.#next - 1) % this.#values.length] = value;
  }

  /** The value at a place, 0 being the oldest. */
  at(place) {
    return this.#values[(this.#next - this.length + place) % this.#values.length];
  }

  range() {
    let [low, high] = [Infinity, -Infinity];
    for (let place = 0; place < this.length; place += 1) {
      low = Math.min(low, this.at(place));
      high = Math.max(high, this.at(place));
    }
    return [low, high];
  }
}

/** A canvas that knows its size without asking for a layout each time. */
export class Chart {
  #canvas;
  #width = 0;
  #height = 0;
  #colour = "";

  constructor(canvas, onResize) {
    this.#canvas = canvas;
    new ResizeObserver(([entry]) => {
      this.#width = entry.contentRect.width;
      this.#height = entry.contentRect.height;
      canvas.width = Math.round(this.#width * devicePixelRatio);
      canvas.height = Math.round(this.#height * devicePixelRatio);
      onResize();
    }).observe(canvas);
    document.addEventListener("theme", () => {
      this.#colour = "";
      onResize();
    });
  }

  /** Draws the series from left to right over `capacity` places; `floor` is the least top of the scale. */
  draw(series, { capacity, fromZero = false, floor = 0 }) {
    if (this.#width === 0) return;
    this.#colour ||= getComputedStyle(this.#canvas).color;
    const pen = this.#canvas.getContext("2d");
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    pen.clearRect(0, 0, this.#width, this.#height);
    if (series.length < 2) return;
    let [low, high] = series.range();
    if (fromZero) low = 0;
    high = Math.max(high, low + floor, low + 1e-9);
    const x = (place) => (this.#width - 3) * ((place + capacity - series.length) / (capacity - 1));
    const y = (value) => this.#height - 2 - (this.#height - 4) * ((value - low) / (high - low));
    pen.beginPath();
    for (let place = 0; place < series.length; place += 1) pen.lineTo(x(place), y(series.at(place)));
    pen.strokeStyle = pen.fillStyle = this.#colour;
    pen.lineWidth = 1.5;
    pen.lineJoin = "round";
    pen.stroke();
    pen.lineTo(x(series.length - 1), this.#height);
    pen.lineTo(x(0), this.#height);
    pen.globalAlpha = 0.12;
    pen.fill();
    pen.globalAlpha = 1;
    pen.beginPath();
    pen.arc(x(series.length - 1), y(series.at(series.length - 1)), 2.5, 0, 7);
    pen.fill();
  }
}
