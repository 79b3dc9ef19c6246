/* Before two dashes the search would read "not": whoever asks for --gate means the option, not the pages without it. */
const asked = (message) =>
  message.type === 2 ? { ...message, data: message.data.replace(/(^|\s)-{2,}(?=\w)/g, "$1") } : message;

/* Browsers start no worker from file://, so there the search runs in a hidden frame of the page instead.
   It offers what the pages use of Worker: postMessage, and the event "message". */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "Search";
      document.body.append(frame);
      this.inside = frame.contentWindow;
      this.waiting = [];
      this.inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = this.inside.document.createElement("script");
      script.src = address;
      script.onload = () => {
        this.waiting.forEach((data) => this.hand(data));
        this.waiting = null;
      };
      this.inside.document.body.append(script);
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(asked(data));
      else this.hand(asked(data));
    }

    hand(data) {
      this.inside.dispatchEvent(new this.inside.MessageEvent("message", { data }));
    }

    terminate() {}
  };
} else {
  window.Worker = class extends Worker {
    postMessage(data) {
      super.postMessage(asked(data));
    }
  };
}
