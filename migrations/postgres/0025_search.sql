-- services whose indexed text is of an earlier release: without stems and joined words, and folded otherwise. The program writes
-- them again, some at a time, and this is empty from then on.
CREATE TABLE unindexed_services (
    service_id UUID NOT NULL PRIMARY KEY REFERENCES services (id) ON DELETE CASCADE
);
INSERT INTO unindexed_services (service_id) SELECT id FROM services WHERE status <> 'deleted';

-- cheapest first, and services without a price last, see Order::Price
CREATE INDEX services_price ON services ((-coalesce(price_amount, 9223372036854775807)) DESC, number DESC) WHERE visible;
